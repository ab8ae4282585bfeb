//! What a line of [`kinds!`] stands for: the module, and its arm wherever there is one for each kind. Vendors of the table in
//! `vendors` have no line: they share one arm.
//!
//! `cargo fmt` finds no modules inside a macro, so `make format` names the files of kinds to rustfmt.

/// Declares the kinds: `"name in settings and of the feature" => module::Type that implements Kind`.
macro_rules! kinds {
    ($($(#[$about:meta])+ $name:literal => $module:ident::$kind:ident,)+) => {
        $(#[cfg(feature = $name)] pub mod $module;)+

        /// The kinds that have code of their own in this build, by the names that settings call them by.
        pub const NATIVE: &[&str] = &[$(#[cfg(feature = $name)] $name),+];

        /// All kinds that this build has: those with code of their own, then the vendors.
        #[cfg(feature = "vendors")]
        pub const KINDS: &[&str] = &{
            let mut kinds = [""; NATIVE.len() + vendors::NAMES.len()];
            let mut at = 0;
            while at < kinds.len() {
                kinds[at] =
                    if at < NATIVE.len() { NATIVE[at] } else { vendors::NAMES[at - NATIVE.len()] };
                at += 1;
            }
            kinds
        };
        /// All kinds that this build has.
        #[cfg(not(feature = "vendors"))]
        pub const KINDS: &[&str] = NATIVE;

        /// What users should know of each kind with code of its own, in TOML; `docs/providers.md` is made of it, and of the
        /// vendors' table.
        pub const FACTS: &[(&str, &str)] =
            &[$(#[cfg(feature = $name)] ($name, <$module::$kind as Kind>::FACTS)),+];

        /// A provider's settings, its secrets of type `S`: a reference while the file is read, a source when it is built.
        /// They are read below the name of their kind, so that an error leads to its key.
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub enum Settings<S> {
            $(
                $(#[$about])+
                #[cfg(feature = $name)]
                $kind(<$module::$kind as Kind>::Settings<S>),
            )+
            /// A vendor of the table.
            #[cfg(feature = "vendors")]
            Vendor(vendors::VendorSettings<S>),
            /// Never there. A build without any kind has no settings, and yet a type for them.
            Nothing {
                /// Of which there is no value.
                never: Infallible,
                /// The secrets that it would have.
                secrets: PhantomData<S>,
            },
        }

        /// By hand, because a vendor's settings are read by its row.
        impl<'de, S: Deserialize<'de>> Deserialize<'de> for Settings<S> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct OfKind<S>(PhantomData<S>);

                impl<'de, S: Deserialize<'de>> Visitor<'de> for OfKind<S> {
                    type Value = Settings<S>;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("settings below the name of their kind")
                    }

                    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<Settings<S>, A::Error> {
                        let (kind, settings) = access.variant::<String>()?;
                        match kind.as_str() {
                            $(#[cfg(feature = $name)] $name => settings.newtype_variant().map(Settings::$kind),)+
                            other => {
                                #[cfg(feature = "vendors")]
                                if let Some(vendor) = vendors::find(other) {
                                    let seed = vendors::VendorSeed::new(vendor);
                                    return settings.newtype_variant_seed(seed).map(Settings::Vendor);
                                }
                                Err(de::Error::unknown_variant(other, KINDS))
                            }
                        }
                    }
                }
                deserializer.deserialize_enum("Settings", KINDS, OfKind(PhantomData))
            }
        }

        /// Builds the provider that the settings describe. Connects to nothing yet.
        ///
        /// # Errors
        /// When a setting cannot be used.
        #[allow(unused_variables, reason = "a build without any kind has nothing to name")]
        pub async fn build(name: &str, settings: Settings<Secret>) -> Result<Arc<dyn DnsProvider>, Error> {
            match settings {
                $(
                    #[cfg(feature = $name)]
                    Settings::$kind(settings) => Ok(Arc::new($module::$kind::build(name, settings).await?)),
                )+
                #[cfg(feature = "vendors")]
                Settings::Vendor(settings) => Ok(Arc::new(vendors::Vendors::new(name, settings)?)),
                Settings::Nothing { never, .. } => match never {},
            }
        }

        impl<S> Settings<S> {
            /// The same settings with other secrets: references become sources.
            #[allow(unused_variables, reason = "a build without any kind has no secrets")]
            pub fn map_secrets<T>(self, secret: impl Fn(S) -> T) -> Settings<T> {
                match self {
                    $(
                        #[cfg(feature = $name)]
                        Self::$kind(settings) => Settings::$kind($module::$kind::map_secrets(settings, secret)),
                    )+
                    #[cfg(feature = "vendors")]
                    Self::Vendor(settings) => Settings::Vendor(settings.map_secrets(secret)),
                    Self::Nothing { never, .. } => match never {},
                }
            }

            /// The least that the credential has to be allowed for these, as text to copy.
            #[allow(unused_variables, reason = "a build without any kind has nothing to allow")]
            pub fn policies(&self, grants: &[Grant]) -> Vec<Policy> {
                match self {
                    $(
                        #[cfg(feature = $name)]
                        Self::$kind(settings) => $module::$kind::policies(settings, grants),
                    )+
                    #[cfg(feature = "vendors")]
                    Self::Vendor(settings) => settings.policies(grants),
                    Self::Nothing { never, .. } => match *never {},
                }
            }

            /// Whether a set's time to live is listed with it.
            #[must_use]
            pub const fn lists_ttl(&self) -> bool {
                match self {
                    $(
                        #[cfg(feature = $name)]
                        Self::$kind(_) => <$module::$kind as Kind>::LISTS_TTL,
                    )+
                    #[cfg(feature = "vendors")]
                    Self::Vendor(settings) => settings.vendor().lists_ttl,
                    Self::Nothing { never, .. } => match *never {},
                }
            }

            /// Every secret, for a check that all of them can be read.
            pub fn secrets(&self) -> Vec<&S> {
                match self {
                    $(
                        #[cfg(feature = $name)]
                        Self::$kind(settings) => $module::$kind::secrets(settings),
                    )+
                    #[cfg(feature = "vendors")]
                    Self::Vendor(settings) => settings.secrets(),
                    Self::Nothing { never, .. } => match *never {},
                }
            }
        }
    };
}

pub(super) use kinds;
