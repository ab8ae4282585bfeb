//! What a line of [`kinds!`] stands for: the module, and its arm wherever there is one for each kind.
//!
//! `cargo fmt` finds no modules inside a macro, so `make format` names the files of kinds to rustfmt.

/// Declares the kinds: `"name in settings and of the feature" => module::Type that implements Kind`.
macro_rules! kinds {
    ($($(#[$about:meta])+ $name:literal => $module:ident::$kind:ident,)+) => {
        $(#[cfg(feature = $name)] pub mod $module;)+

        /// The kinds that this build has, by the names that settings call them by.
        pub const KINDS: &[&str] = &[$(#[cfg(feature = $name)] $name),+];

        /// What users should know of each kind, in TOML; `docs/providers.md` is made of it.
        pub const FACTS: &[(&str, &str)] =
            &[$(#[cfg(feature = $name)] ($name, <$module::$kind as Kind>::FACTS)),+];

        /// A provider's settings, its secrets of type `S`: a reference while the file is read, a source when it is built.
        /// They are read below the name of their kind, so that an error leads to its key.
        #[derive(Clone, Debug, Deserialize)]
        #[serde(bound = "S: Deserialize<'de>")]
        #[non_exhaustive]
        pub enum Settings<S> {
            $(
                $(#[$about])+
                #[cfg(feature = $name)]
                #[serde(rename = $name)]
                $kind(<$module::$kind as Kind>::Settings<S>),
            )+
            /// Never there. A build without any kind has no settings, and yet a type for them.
            #[serde(skip)]
            Nothing {
                /// Of which there is no value.
                never: Infallible,
                /// The secrets that it would have.
                secrets: PhantomData<S>,
            },
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
                    Self::Nothing { never, .. } => match *never {},
                }
            }
        }
    };
}

pub(super) use kinds;
