//! What is true of a vendor, as data: the form of the rows of `table`.

/// A vendor of DNS that `dns-update` speaks to: one row of the table, and a kind of its own for users.
#[derive(Clone, Copy, Debug)]
pub struct Vendor {
    /// The kind in settings, and the vendor's name in `dns-vendors`.
    pub kind: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// The vendor's own document of the API.
    pub docs: &'static str,
    /// What it takes besides `zones`.
    pub settings: &'static [Setting],
    /// The least that the credential can be restricted to.
    pub least_privilege: &'static str,
    /// How a value is written.
    pub writes: Writes,
    /// What becomes of the time to live of values that stand there.
    pub set_ttl: SetTtl,
    /// Whether a set's time to live is listed: no part of the library does that, a client of our own does.
    pub lists_ttl: bool,
    /// The smallest time to live that it takes, in seconds; a smaller one is raised to it.
    pub min_ttl: u32,
    /// How the library reads and hands on texts.
    pub text: Text,
    /// How the library spells a text in what is sent; what others have is sent again as it was listed.
    pub sent: Sent,
    /// For how long it is left alone when it throttles, in seconds, where its own word of that is not to be had (the library
    /// drops `Retry-After`).
    pub pause: u32,
    /// Which of several zones of one name is written, or why there is one only; nothing where that is not known.
    pub namesakes: &'static str,
    /// How an owner name is spelled in what is sent; the library sees to it.
    pub owner: Owner,
    /// What it calls the zone's apex; the library sees to it.
    pub apex: &'static str,
    /// Whether the target of an alias needs its final dot, without which it would lie below the zone.
    pub alias_dot: bool,
    /// How a zone is told from none.
    pub found_by: FoundBy,
    /// How a set that is not there is answered.
    pub absent: Absent,
    /// Whose client speaks to it.
    pub by: By,
    /// What was compared with what.
    pub proof: Proof,
    /// What else a user should know: a sentence, or nothing.
    pub notes: &'static str,
}

impl Vendor {
    /// What most vendors have in common; a row says what differs.
    pub const USUAL: Self = Self {
        kind: "",
        title: "",
        docs: "",
        settings: &[],
        least_privilege: "as the vendor's console offers",
        writes: Writes::Record,
        set_ttl: SetTtl::OfEach,
        lists_ttl: false,
        min_ttl: 1,
        pause: 60,
        namesakes: "",
        text: Text::Same,
        sent: Sent::Plain,
        owner: Owner::Relative,
        apex: "empty",
        alias_dot: false,
        found_by: FoundBy::Texts,
        absent: Absent::Empty,
        by: By::Library,
        proof: Proof::Documentation,
        notes: "",
    };

    /// The setting of that name.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&'static Setting> {
        self.settings.iter().find(|setting| setting.name == name)
    }
}

/// A setting of a vendor.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its key.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// Given by reference, and shown nowhere.
    pub secret: bool,
    /// Whether nothing works without it.
    pub required: bool,
    /// An address, to which credentials travel.
    pub address: bool,
}

impl Setting {
    /// A secret that is needed.
    #[must_use]
    pub const fn secret(name: &'static str, about: &'static str) -> Self {
        Self { name, about, secret: true, required: true, address: false }
    }

    /// A word that is needed.
    #[must_use]
    pub const fn word(name: &'static str, about: &'static str) -> Self {
        Self { name, about, secret: false, required: true, address: false }
    }

    /// An address that is needed.
    #[must_use]
    pub const fn address(name: &'static str, about: &'static str) -> Self {
        Self { name, about, secret: false, required: true, address: true }
    }

    /// The same, which may be left out.
    #[must_use]
    pub const fn or_none(mut self) -> Self {
        self.required = false;
        self
    }
}

/// How a value is written, which is what concurrency can lose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writes {
    /// Each value is a record of its own, made and removed alone.
    Record,
    /// The whole set is read, changed and written, without a precondition.
    Set,
    /// The whole zone is.
    Zone,
}

/// What becomes of the time to live of values that stand at a name where one is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetTtl {
    /// The set keeps the one it has; the added value takes it over.
    Kept,
    /// Each value has its own, and those that stand there keep it.
    OfEach,
    /// The whole set gets the added value's.
    Replaced,
    /// It is the vendor's to choose.
    Vendors,
}

/// How texts are sent and answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    /// As they are.
    Same,
    /// Sent as they are, answered as in a zone file: in quotes.
    AnsweredInQuotes,
    /// The library writes them as in a zone file, and reads them so.
    ZoneFile,
}

/// How a text is spelled in what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// As it is.
    Plain,
    /// As in a zone file: in quotes, quotes and backslashes escaped, in strings of 255 octets.
    ZoneFile,
    /// The same where it holds a quote or a backslash or is longer than 255 octets, and as it is otherwise.
    WhereNeeded,
    /// In quotes and escaped, and not divided: nothing longer than 255 octets.
    Undivided,
    /// In quotes, of which those within are escaped, backslashes are not: none of those, and nothing longer.
    Quoted,
    /// In quotes, and within as it is: neither quotes nor backslashes, and nothing longer.
    Wrapped,
}

/// How an owner name is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Without the zone.
    Relative,
    /// With it.
    Absolute {
        /// And with the final dot.
        dot: bool,
    },
}

/// How a zone is told from none, before anything is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundBy {
    /// The library looks the zone up, so that listing its texts fails where there is none.
    Texts,
    /// A zone that is not there has an empty list, too; it lacks name servers.
    NameServers,
}

/// How a set that is not there is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// By an empty list, or by what the library takes for one.
    Empty,
    /// By an error that the library hands on, also where it is to add the first value: that one is written as a whole set,
    /// which it does without looking.
    NotFound,
}

/// Whose client speaks to a vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The library's.
    Library,
    /// Our own for UltraDNS, whose login the library cannot read.
    UltraDns,
}

/// What was compared with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The contract suite passes before a fake that an independent client agrees with: which.
    CrossChecked(&'static str),
    /// The contract suite passes before a fake made from the vendor's documents: why nobody else agrees with it.
    Fake(&'static str),
    /// The vendor's documents and the library's code were read; nothing was run.
    Documentation,
}
