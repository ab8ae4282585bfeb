//! Secrets by reference: where one is, never what it is.
//!
//! Whoever misplaces a secret writes it where the reference should be. So nothing that stands there is repeated, neither in an
//! error nor in `Debug`: not the name of a variable or credential, and a path only where it leads to something.

use std::{
    fmt, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use digicert_api::{KeyError, KeySource};
use dns_providers::SecretSource;
use secrecy::SecretString;
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};

use super::regular;
use crate::error::chain;

/// Longest secret that is read; a key or a token is far shorter, a wrong path may be a disk image.
const MAX_SECRET: u64 = 64 * 1024;
/// Where systemd puts what a unit loads.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
/// Where credentials are for whoever runs the agent by hand.
const BY_HAND: &str = "/etc/dcv-agent";
/// What the delivered units call the folder that they load: systemd puts `<id>_` before the name of each of its files
/// (systemd.exec, `LoadCredential=`).
const OF_FOLDER: &str = "dcv-agent_";
/// What is said where the secret itself was written.
const INLINE: &str = "a secret is not written here; use { file = … }, { env = … } or { credential = … }";

/// `{ file = "PATH" }`, `{ env = "NAME" }` or `{ credential = "NAME" }`. Read each time it is needed, so a rotated file needs
/// no restart.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretRef {
    /// A variable of the environment.
    env: Option<String>,
    /// A file; white space at its end is dropped.
    file: Option<PathBuf>,
    /// A file's name in the folder that systemd hands over, or in `/etc/dcv-agent`.
    credential: Option<String>,
}

/// Says which way is taken, and not where it leads: that may be the secret itself.
impl fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given = [("env", self.env.is_some()), ("file", self.file.is_some())];
        let given = given.into_iter().chain([("credential", self.credential.is_some())]);
        f.debug_set().entries(given.filter(|(_, is)| *is).map(|(way, _)| way)).finish()
    }
}

impl SecretRef {
    /// What stands in a file.
    #[must_use]
    pub fn of_file(path: PathBuf) -> Self {
        Self { file: Some(path), ..Self::default() }
    }

    /// Says what is wrong with the reference itself; whether it leads anywhere is told by [`SecretSource::secret`].
    fn problem(&self) -> Option<&'static str> {
        match (&self.env, &self.file, &self.credential) {
            (None, None, Some(name)) if !is_one_component(name) => {
                Some("credential is the name of one file, without a folder")
            }
            (Some(_), None, None) | (None, Some(_), None) | (None, None, Some(_)) => None,
            (None, None, None) => {
                Some("gives none; write { file = \"…\" }, { env = \"…\" } or { credential = \"…\" }")
            }
            _ => Some("gives several of file, env and credential; keep one"),
        }
    }

    fn read(&self) -> Result<SecretString, Unreadable> {
        let text = match (&self.env, &self.file, &self.credential) {
            (Some(name), ..) => return of_environment(name),
            (None, Some(path), _) => file(path)?,
            (None, None, Some(name)) => file(&found(name)?)?,
            (None, None, None) => return Err(Unreadable::new("the secret is not given")),
        };
        let text = text.trim();
        if text.is_empty() {
            return Err(Unreadable::new("the secret that is referred to is empty"));
        }
        Ok(SecretString::from(text))
    }

    /// Says so where every user of the host may read the secret's file.
    pub(super) fn exposed(&self) -> Option<String> {
        let path = match (&self.file, &self.credential) {
            (Some(path), _) => path.clone(),
            (None, Some(name)) => found(name).ok()?,
            (None, None) => return None,
        };
        let mode = open_to_all(&path)?;
        Some(format!("every user of this host may read the secret file {} (mode {mode:04o})", path.display()))
    }
}

/// Why a secret could not be had.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
struct Unreadable {
    what: String,
    source: Option<io::Error>,
}

impl Unreadable {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), source: None }
    }
}

impl SecretSource for SecretRef {
    fn secret(&self) -> Result<SecretString, String> {
        self.read().map_err(|error| chain(&error))
    }
}

impl KeySource for SecretRef {
    /// The cause goes along, so that a host in trouble can be told from a file that is wrong.
    fn key(&self) -> Result<SecretString, KeyError> {
        self.read().map_err(Into::into)
    }
}

fn file(path: &Path) -> Result<String, Unreadable> {
    let what = match shown(path) {
        Some(path) => format!("secret file {}", path.display()),
        None => "the file that is named there".to_owned(),
    };
    match regular::read(path, MAX_SECRET).map(String::from_utf8) {
        Ok(Ok(text)) => Ok(text),
        Ok(Err(_)) => Err(Unreadable::new(format!("{what} is not text"))),
        Err(error) => Err(Unreadable { what, source: Some(error) }),
    }
}

/// Where a credential is on this host.
fn found(name: &str) -> Result<PathBuf, Unreadable> {
    let handed_over = variable(CREDENTIALS).map(PathBuf::from);
    credential(name, handed_over.as_deref(), Path::new(BY_HAND))
}

/// The mode of a file that every user may read; none where a folder on the way keeps them out. What a container engine puts into
/// its folder of secrets is readable inside the container only, and not the operator's to change.
fn open_to_all(path: &Path) -> Option<u32> {
    let path = path.canonicalize().ok()?;
    let mode = |path: &Path| Some(path.metadata().ok()?.permissions().mode() & 0o7777);
    let of_engine = path.starts_with("/run/secrets");
    let way = path.ancestors().skip(1).all(|folder| mode(folder).is_some_and(|mode| mode & 0o001 != 0));
    mode(&path).filter(|mode| mode & 0o004 != 0 && way && !of_engine)
}

/// A variable of the environment. One that is set and empty is told apart from one that is not set.
fn of_environment(name: &str) -> Result<SecretString, Unreadable> {
    let set = variable(name);
    let what = match &set {
        Some(_) => format!("the environment variable {name}"),
        None if is_name_of_variable(name) => format!("the environment variable {name}"),
        None => "the environment variable that env names".to_owned(),
    };
    match set.as_deref().map(str::trim) {
        None => Err(Unreadable::new(format!("{what} is not set, or not text"))),
        Some("") => Err(Unreadable::new(format!("{what} is set and empty"))),
        Some(text) => Ok(SecretString::from(text)),
    }
}

/// Whether it reads as the name of a variable, `DIGICERT_API_KEY`: short words in capitals. A secret that was written in its place
/// has no such words.
fn is_name_of_variable(name: &str) -> bool {
    let is_word =
        |word: &str| (1..=16).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_uppercase());
    name.contains('_') && name.split('_').all(is_word)
}

/// The path, if it is one: it leads to something, or into a folder that is there, or it is absolute and holds no character of
/// a secret's alphabet that a path rarely has. A secret that was written in its place is none of these.
fn shown(path: &Path) -> Option<&Path> {
    // Every name in the root folder is "in a folder that is there".
    let folder = path.parent().filter(|folder| folder.parent().is_some());
    let leads_somewhere =
        path.symlink_metadata().is_ok() || path.is_absolute() && folder.is_some_and(Path::is_dir);
    let reads_as_path = path.is_absolute()
        && path.iter().count() > 2
        && path.to_str().is_some_and(|text| !text.contains(['=', '+']) && text.len() < 256);
    (leads_somewhere || reads_as_path).then_some(path)
}

/// The file that holds a credential: what systemd handed over goes before what is there for a run by hand.
fn credential(name: &str, handed_over: Option<&Path>, by_hand: &Path) -> Result<PathBuf, Unreadable> {
    if !is_one_component(name) {
        return Err(Unreadable::new("credential is the name of one file, without a folder"));
    }
    let handed = handed_over
        .into_iter()
        .flat_map(|folder| [folder.join(name), folder.join(format!("{OF_FOLDER}{name}"))]);
    let mut files = handed.chain([by_hand.join(name)]);
    files.find(|path| path.symlink_metadata().is_ok()).ok_or_else(|| {
        let beside = handed_over.map(|folder| format!(" nor in {}", folder.display())).unwrap_or_default();
        Unreadable::new(format!(
            "no file of the credential's name can be found in {}{beside}",
            by_hand.display()
        ))
    })
}

fn is_one_component(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\0'])
}

#[expect(clippy::disallowed_methods, reason = "this is where the configuration reads the environment")]
fn variable(name: &str) -> Option<String> {
    // The standard library takes these two for impossible.
    if name.is_empty() || name.contains(['=', '\0']) {
        return None;
    }
    std::env::var(name).ok()
}

impl<'de> Deserialize<'de> for SecretRef {
    /// By hand, since every message of serde's own repeats what it found.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reference)
    }
}

struct Reference;

impl<'de> Visitor<'de> for Reference {
    type Value = SecretRef;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{ file = … }, { env = … } or { credential = … }")
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<SecretRef, E> {
        Err(E::custom(INLINE))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<SecretRef, E> {
        Err(E::custom(INLINE))
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<SecretRef, E> {
        Err(E::custom(INLINE))
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<SecretRef, E> {
        Err(E::custom(INLINE))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<SecretRef, E> {
        Err(E::custom(INLINE))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<SecretRef, A::Error> {
        Err(de::Error::custom(INLINE))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretRef, A::Error> {
        let mut reference = SecretRef::default();
        while let Some(way) = map.next_key::<String>()? {
            let known = matches!(way.as_str(), "env" | "file" | "credential");
            if !known {
                return Err(de::Error::custom(unknown(&way)));
            }
            let text: String = map
                .next_value()
                .map_err(|_| de::Error::custom("a text is expected: the name of what holds the secret"))?;
            match way.as_str() {
                "env" => reference.env = Some(text),
                "file" => reference.file = Some(text.into()),
                _ => reference.credential = Some(text),
            }
        }
        match reference.problem() {
            Some(problem) => Err(de::Error::custom(problem)),
            None => Ok(reference),
        }
    }
}

/// A key that is none of the three is not repeated either.
fn unknown(way: &str) -> String {
    let near =
        ["file", "env", "credential"].into_iter().find(|known| strsim::damerau_levenshtein(way, known) <= 1);
    match near {
        Some(known) => format!("holds an unknown key; did you mean {known:?}?"),
        None => INLINE.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    const MARK: &str = "CANARY";

    fn read(text: &str) -> Result<SecretRef, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_written_in_place_of_a_reference_is_not_repeated() {
        for (text, expected) in [
            (r#""CANARY""#, INLINE),
            (r#"["CANARY"]"#, INLINE),
            ("7", INLINE),
            ("true", INLINE),
            (r#"{ "CANARY": 1 }"#, INLINE),
            (r#"{ "fiel": "CANARY" }"#, "did you mean \"file\"?"),
            (r#"{ "env": ["CANARY"] }"#, "a text is expected"),
            (r#"{ "env": 7 }"#, "a text is expected"),
            (r#"{ "credential": "../CANARY" }"#, "one file"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(expected) && !error.contains(MARK), "{text}: {error}");
        }
    }

    #[test]
    fn a_secret_in_the_place_of_its_name_is_not_repeated() {
        for text in [
            r#"{ "env": "CANARY" }"#,
            r#"{ "env": "CANARY=" }"#,
            r#"{ "env": "" }"#,
            r#"{ "file": "CANARY" }"#,
            r#"{ "file": "/CANARY" }"#,
            r#"{ "file": "/CANARY+/x/y=" }"#,
            r#"{ "credential": "CANARY" }"#,
        ] {
            let reference = read(text).unwrap();
            let error = reference.secret().unwrap_err();
            let key_error = format!("{:?}", reference.key().unwrap_err());
            for said in [error, key_error, format!("{reference:?}")] {
                assert!(!said.is_empty() && !said.contains(MARK), "{text}: {said}");
            }
        }
        let typo = read(r#"{ "file": "/etc/no-such-key" }"#).unwrap().secret().unwrap_err();
        assert!(typo.starts_with("secret file /etc/no-such-key: No such file"), "{typo}");
    }

    #[test]
    fn a_reference_gives_one_way() {
        for text in [r#"{ "env": "X" }"#, r#"{ "file": "x" }"#, r#"{ "credential": "digicert.key" }"#] {
            assert!(read(text).is_ok(), "{text}");
        }
        assert!(read("{}").unwrap_err().starts_with("gives none"));
        assert!(read(r#"{ "env": "X", "credential": "x" }"#).unwrap_err().starts_with("gives several"));
        for name in ["", ".", "..", "a/b", "/etc/passwd"] {
            let text = format!(r#"{{ "credential": "{name}" }}"#);
            assert!(read(&text).unwrap_err().contains("one file"), "{name}");
        }
    }

    #[test]
    fn a_credential_is_what_systemd_hands_over_or_else_beside_the_configuration() {
        let (handed_over, by_hand) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let found = |folder: Option<&Path>| {
            credential("digicert.key", folder, by_hand.path())
                .and_then(|path| file(&path))
                .map_err(|e| e.what)
        };
        let both = Some(handed_over.path());
        assert!(found(both).unwrap_err().contains("no file of the credential's name"));
        std::fs::write(by_hand.path().join("digicert.key"), "by hand").unwrap();
        assert_eq!(found(None).unwrap(), "by hand");
        assert_eq!(found(both).unwrap(), "by hand");
        // As systemd names a file of a folder that is loaded as `dcv-agent`.
        std::fs::write(handed_over.path().join("dcv-agent_digicert.key"), "of the folder").unwrap();
        assert_eq!(found(both).unwrap(), "of the folder");
        std::fs::write(handed_over.path().join("digicert.key"), "by its name").unwrap();
        assert_eq!(found(both).unwrap(), "by its name");
        assert_eq!(found(None).unwrap(), "by hand");
    }

    #[test]
    fn a_file_is_read_without_the_white_space_around_its_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, " text\r\n").unwrap();
        let reference = SecretRef { file: Some(path.clone()), ..SecretRef::default() };
        assert_eq!(reference.secret().unwrap().expose_secret(), "text");
        std::fs::write(&path, b"CANARY\xff").unwrap();
        let error = reference.secret().unwrap_err();
        assert!(error.ends_with("is not text") && !error.contains(MARK), "{error}");
    }
}
