//! What a registry tells of its pushes and deletes: CNCF distribution's events, and what becomes of them.
//!
//! <https://distribution.github.io/distribution/about/notifications/>

use serde::Deserialize;

use super::{error::OperatorError, repository::RepositorySession};
use crate::oci::{Digest, MediaType, Repository};

/// Something that happened to a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Where.
    pub repository: Repository,
    /// Of which manifest, or perhaps blob where it is deleted.
    pub digest: Digest,
    /// It was deleted; otherwise it was pushed.
    pub deleted: bool,
}

#[derive(Deserialize)]
struct Envelope {
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct Event {
    action: String,
    target: Target,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Target {
    media_type: String,
    digest: String,
    repository: String,
}

impl Notification {
    /// The types of the bodies in which events come: of distribution 2.8, and of 3.
    pub const TYPES: [&str; 2] =
        ["application/vnd.docker.distribution.events.v1+json", "application/vnd.docker.distribution.events.v2+json"];

    /// Those of an envelope that are about manifests. `None` where it is none. No URL in it counts.
    pub fn parse(envelope: &[u8]) -> Option<Vec<Self>> {
        let envelope: Envelope = serde_json::from_slice(envelope).ok()?;
        let one = |Event { action, target }: Event| {
            let deleted = match action.as_str() {
                "push" if MediaType::parse(&target.media_type).is_manifest() => false,
                "delete" => true,
                _ => return None,
            };
            let repository = Repository::parse(&target.repository)?;
            Some(Self { repository, digest: Digest::parse(&target.digest).ok()?, deleted })
        };
        Some(envelope.events.into_iter().filter_map(one).collect())
    }
}

impl RepositorySession {
    /// Has the database say what the registry says of a manifest that something happened to: whatever was told, it is asked.
    pub async fn look_at(&self, notification: &Notification) -> Result<(), OperatorError> {
        if !notification.deleted {
            return self.import_digest(&notification.digest).await;
        }
        if self.app.store.look(&self.key(&notification.digest)).await?.version == 0 {
            return Ok(());
        }
        let probed = self.probe(&notification.digest).await?;
        if !probed.there
            && let Some(corroboration) = self.subject_corroboration(&notification.digest).await?
        {
            self.record_absent(&probed, &corroboration).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notifications_about_manifests_are_read_and_others_passed_over() {
        let digest = Digest::parse(&format!("sha256:{}", "1".repeat(64))).unwrap();
        let event = |action: &str, media_type: &str, repository: &str, digest: &str| {
            format!(
                r#"{{"id":"a","action":"{action}","target":{{"mediaType":"{media_type}","digest":"{digest}","repository":"{repository}","url":"http://elsewhere/v2/x/manifests/y"}},"request":{{}}}}"#
            )
        };
        let events = [
            event("push", MediaType::IMAGE, "team/app", digest.as_str()),
            event("push", "application/octet-stream", "team/app", digest.as_str()),
            event("pull", MediaType::IMAGE, "team/app", digest.as_str()),
            event("delete", "", "team/app", digest.as_str()),
            event("push", MediaType::IMAGE, "Team", digest.as_str()),
            event("push", MediaType::IMAGE, "team/app", "sha256:12"),
        ];
        let read = Notification::parse(format!(r#"{{"events":[{}]}}"#, events.join(",")).as_bytes()).unwrap();
        let of = |deleted| Notification {
            repository: Repository::parse("team/app").unwrap(),
            digest: digest.clone(),
            deleted,
        };
        assert_eq!(read, [of(false), of(true)]);
        assert_eq!(Notification::parse(b"[]"), None);
    }
}
