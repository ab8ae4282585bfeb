//! Where the file of a host goes: to the responder, or into the document root of its web server.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    path::PathBuf,
};

use dcv_core::{Artifact, CertName, DomainName, Held, Pattern, RandomValue};

use super::{Error, Responder, Webroot};

/// How files reach the CA, as configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes {
    /// The hosts whose port 80 leads to the responder.
    pub responder: Vec<Pattern>,
    /// Every host that is not named otherwise is the responder's.
    pub everywhere: bool,
    /// Document roots of other web servers.
    pub webroots: BTreeMap<Pattern, PathBuf>,
}

/// The way for one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// The responder answers for it.
    Responder,
    /// A web server shows what stands in this folder.
    Webroot(&'a PathBuf),
}

impl fmt::Display for Route<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Responder => f.write_str("the agent's responder"),
            Self::Webroot(folder) => write!(f, "the document root {}", folder.display()),
        }
    }
}

impl Routes {
    /// The way for a host: a name by itself goes before a pattern, the longer pattern before the shorter.
    #[must_use]
    pub fn of(&self, host: &DomainName) -> Option<Route<'_>> {
        let responder = self.responder.iter().map(|pattern| (pattern, Route::Responder));
        let webroots = self.webroots.iter().map(|(pattern, folder)| (pattern, Route::Webroot(folder)));
        let name = CertName { name: host.clone(), wildcard: false };
        let closeness = |pattern: &Pattern| match pattern {
            Pattern::Exactly(_) => usize::MAX,
            Pattern::Below(domain) => domain.as_str().len(),
        };
        responder
            .chain(webroots)
            .filter(|(pattern, _)| pattern.covers(&name))
            .max_by_key(|(pattern, _)| closeness(pattern))
            .map(|(_, route)| route)
            .or_else(|| self.everywhere.then_some(Route::Responder))
    }
}

/// Puts files where the CA finds them.
#[derive(Clone, Debug, Default)]
pub struct FileStore {
    routes: Routes,
    responder: Responder,
    /// One for each document root, kept: it removes again the folders that it made.
    webroots: HashMap<PathBuf, Webroot>,
    /// Those of earlier configurations: files of ours may still stand there.
    former: HashMap<PathBuf, Webroot>,
}

impl FileStore {
    /// A store; what an earlier one had open and put up is taken over.
    #[must_use]
    pub fn new(routes: Routes, earlier: Option<&Self>) -> Self {
        let known = |folder: &PathBuf| {
            let earlier = earlier?;
            earlier.webroots.get(folder).or_else(|| earlier.former.get(folder)).cloned()
        };
        let opened = |folder: &PathBuf| known(folder).unwrap_or_else(|| Webroot::new(folder));
        let webroots: HashMap<_, _> =
            routes.webroots.values().map(|folder| (folder.clone(), opened(folder))).collect();
        let before = earlier.into_iter().flat_map(|earlier| earlier.webroots.iter().chain(&earlier.former));
        let former = before.filter(|(folder, _)| !webroots.contains_key(*folder));
        let former = former.map(|(folder, webroot)| (folder.clone(), webroot.clone())).collect();
        let responder = earlier.map(|earlier| earlier.responder.clone()).unwrap_or_default();
        Self { routes, responder, webroots, former }
    }

    /// The slot of a host, which holds one file: hosts of one document root share theirs.
    #[must_use]
    pub fn slot_of<'a>(&'a self, host: &'a DomainName) -> &'a str {
        match self.routes.of(host) {
            Some(Route::Webroot(folder)) => folder.to_str().unwrap_or_else(|| host.as_str()),
            Some(Route::Responder) | None => host.as_str(),
        }
    }

    /// The document roots, each once.
    pub fn webroots(&self) -> impl Iterator<Item = &Webroot> {
        self.webroots.values()
    }

    /// The responder, which a later configuration takes over.
    #[must_use]
    pub const fn responder(&self) -> &Responder {
        &self.responder
    }

    /// Has the responder show again what it showed before a restart.
    pub fn recall<'a>(&self, held: impl IntoIterator<Item = &'a Held>) {
        for Held { artifact, applied } in held {
            if let (Artifact::File { host, value }, Some(_)) = (artifact, applied)
                && self.routes.of(host) == Some(Route::Responder)
            {
                self.responder.put(host, value);
            }
        }
    }

    /// Has the responder show what all replicas want to be shown, the latest for each host, and nothing else.
    pub fn show_only<'a>(&self, files: impl IntoIterator<Item = &'a Artifact>) {
        let shown = files.into_iter().filter_map(|artifact| match artifact {
            Artifact::File { host, value } if self.routes.of(host) == Some(Route::Responder) => {
                Some((host.clone(), value.clone()))
            }
            Artifact::File { .. } | Artifact::Record { .. } => None,
        });
        self.responder.show_only(shown.collect());
    }

    /// Has the file of a host hold a value, in place of those that give way and of nothing else.
    ///
    /// # Errors
    /// When the file cannot be written, or is somebody else's.
    pub async fn put(
        &self,
        host: &DomainName,
        value: &RandomValue,
        gives_way: &[RandomValue],
    ) -> Result<(), Error> {
        match self.shower(host)? {
            Shower::Responder(responder) => {
                responder.put(host, value);
                Ok(())
            }
            Shower::Webroot(webroot) => webroot.put(value, gives_way).await,
        }
    }

    /// Removes the file of a host if it holds this value.
    ///
    /// # Errors
    /// When it is there and cannot be removed.
    pub async fn remove(&self, host: &DomainName, value: &RandomValue) -> Result<(), Error> {
        let shower = self.shower(host);
        self.responder.remove(host, value);
        if let Ok(Shower::Webroot(webroot)) = shower
            && webroot.shows(value).await?
        {
            return webroot.remove(value).await;
        }
        // The host may have had another document root when the file was put up. It is known by its value.
        let mut found = false;
        for other in self.webroots.values().chain(self.former.values()) {
            if let Ok(true) = other.shows(value).await {
                other.remove(value).await?;
                found = true;
            }
        }
        match shower {
            Err(no_route) if !found => Err(no_route),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Whether the file of a host holds the value.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn shows(&self, host: &DomainName, value: &RandomValue) -> Result<bool, Error> {
        match self.shower(host)? {
            Shower::Responder(responder) => Ok(responder.shows(host, value)),
            Shower::Webroot(webroot) => webroot.shows(value).await,
        }
    }

    fn shower(&self, host: &DomainName) -> Result<Shower<'_>, Error> {
        match self.routes.of(host) {
            Some(Route::Responder) => Some(Shower::Responder(&self.responder)),
            Some(Route::Webroot(folder)) => self.webroots.get(folder).map(Shower::Webroot),
            None => None,
        }
        .ok_or_else(|| Error::NoRoute { host: host.clone() })
    }
}

enum Shower<'a> {
    Responder(&'a Responder),
    Webroot(&'a Webroot),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_pattern_wins() {
        let pattern = |text: &str| text.parse::<Pattern>().unwrap();
        let folder = |text: &str| PathBuf::from(text);
        let routes = Routes {
            responder: vec![pattern("*.example.com"), pattern("example.com")],
            everywhere: false,
            webroots: [
                (pattern("*.shop.example.com"), folder("/srv/shop")),
                (pattern("www.example.com"), folder("/srv/www")),
            ]
            .into(),
        };
        let of = |host: &str| {
            routes.of(&host.parse().unwrap()).map(|route| match route {
                Route::Responder => "responder".to_owned(),
                Route::Webroot(folder) => folder.display().to_string(),
            })
        };
        assert_eq!(of("example.com").as_deref(), Some("responder"));
        assert_eq!(of("api.example.com").as_deref(), Some("responder"));
        assert_eq!(of("www.example.com").as_deref(), Some("/srv/www"));
        assert_eq!(of("a.shop.example.com").as_deref(), Some("/srv/shop"));
        assert_eq!(of("shop.example.com").as_deref(), Some("responder"));
        assert_eq!(of("example.org"), None);
        let everywhere = Routes { everywhere: true, ..Routes::default() };
        assert_eq!(everywhere.of(&"example.org".parse().unwrap()), Some(Route::Responder));
    }
}
