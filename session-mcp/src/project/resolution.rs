//! Which project a call is about: each who can say so is asked in turn, and the answer says who did.

use std::path::PathBuf;

use session_core::{Error, Session as Snapshot, StoreError};

use crate::error::SessionError;
use crate::session::Session;

use super::discovery::{Discovery, Freshness};
use super::error::{DirectoryError, ProjectError};
use super::identity::{Project, ResolvedBy, Tier};
use super::known::{NoDefault, own};
use super::placement::{Placement, project_of};
use super::projects::Projects;
use super::switch::{MAX_ATTEMPTS, lost_a_race};
use super::tracker::Answer;
use super::verdict::{self, Verdict, verdict};

/// Which project a call is about, and how that came about.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Resolution {
    /// The project.
    pub project: Project,
    /// Who said so.
    pub resolved_by: ResolvedBy,
    /// The session's working directory, if it has one that can be worked in.
    pub working_directory: Option<PathBuf>,
    /// The id of the project that the session worked in until this call noticed that its directory's is another.
    pub switched_from: Option<String>,
    /// What was asked and did not tell, or was passed over, and why, in words.
    pub skipped: Vec<String>,
    /// What the caller should know, in words.
    pub warnings: Vec<String>,
}

impl Projects {
    /// Tells which project a call is about: the one it names, else the one of its session's config file, else the
    /// tracker's, else the configured one.
    ///
    /// A config file that has changed since the session came to its directory is noticed here: the session is switched
    /// to what the file says now, unless the file is against that.
    ///
    /// # Errors
    ///
    /// [`SessionError::Project`] says why there is none. A config file that is invalid or gone, and a mismatch that a
    /// project in strict mode does not allow, are errors, and nobody further is asked; so is a working directory
    /// outside of the allowed roots, whatever the call names. What loading and changing the session refuses.
    pub async fn resolve(&self, session: &Session, project: Option<&str>) -> Result<Resolution, SessionError> {
        if let Some(said) = project {
            return self.named(session, said).await;
        }
        let mut asked = Asked::default();
        if let Some(resolution) = self.of_session(session, &mut asked).await? {
            return Ok(resolution);
        }
        if let Some(project) = self.tracked(&mut asked).await {
            return Ok(asked.resolved(project, Tier::Tracker));
        }
        match self.default_now().await {
            Ok(project) => Ok(asked.resolved(project, Tier::Default)),
            Err(NoDefault::Unset) => {
                asked.skip("default", "none is configured");
                Err(asked.unresolved())
            }
            Err(NoDefault::Renamed) => {
                asked.skip("default", "the project that was configured has another name and id by now");
                Err(asked.unresolved())
            }
            Err(NoDefault::Unusable(error)) => Err(error.into()),
        }
    }

    /// The project that a call names. A session whose directory belongs to a project in strict mode can name no other.
    async fn named(&self, session: &Session, said: &str) -> Result<Resolution, SessionError> {
        let (project, warnings) = self.meant(session, said).await?;
        let mut asked = Asked { warnings, ..Asked::default() };
        let snapshot = own(session).await?;
        let Some((snapshot, directory)) = snapshot.as_ref().and_then(|it| Some((it, it.working_directory.as_ref()?)))
        else {
            return Ok(asked.resolved(project, Tier::Argument));
        };
        match self.look(directory.as_path(), Freshness::Now).await {
            Err(error @ DirectoryError::Outside { .. }) => return Err(ProjectError::WorkingDirectory(error).into()),
            Err(error) => asked.warnings.push(ProjectError::WorkingDirectory(error).to_string()),
            Ok(discovery) => {
                asked.working_directory = Some(directory.as_path().to_owned());
                let here = match self.chosen(snapshot, &discovery).await {
                    Some(chosen) => Placement::in_project(chosen, Tier::Session),
                    None => Placement::in_directory(discovery),
                };
                if let Some(found) = &here.project
                    && found.id != project.id
                {
                    if let (true, Some(config_path)) = (here.rules.strict_mode, &here.config_path) {
                        let (pinned, found, config_path) = (project.id, found.id.clone(), config_path.clone());
                        return Err(ProjectError::Mismatch { pinned, found, config_path }.into());
                    }
                    let warning = format!("this session's directory belongs to another project, {}", found.in_words());
                    asked.warnings.push(warning);
                }
                asked.note(here);
            }
        }
        Ok(asked.resolved(project, Tier::Argument))
    }

    /// The project of the session's directory, or of the session itself.
    async fn of_session(&self, session: &Session, asked: &mut Asked) -> Result<Option<Resolution>, SessionError> {
        for attempt in 0..MAX_ATTEMPTS {
            let snapshot = match session.load().await {
                Ok(snapshot) => snapshot,
                Err(SessionError::NoSession) => {
                    asked.skip("session", "this call belongs to none");
                    return Ok(None);
                }
                Err(error) => return Err(error),
            };
            let Some(directory) = &snapshot.working_directory else {
                return Ok(self.without_directory(&snapshot, asked).await);
            };
            asked.working_directory = Some(directory.as_path().to_owned());
            // What a session came to its project by is looked for now, not remembered to be missing.
            let freshness = if snapshot.config_path.is_some() { Freshness::Now } else { Freshness::Recent };
            let discovery = self.look(directory.as_path(), freshness).await.map_err(ProjectError::WorkingDirectory)?;
            if let Some(chosen) = self.chosen(&snapshot, &discovery).await {
                return Ok(Some(asked.take().resolved(chosen, Tier::Session)));
            }
            let placement = verdict::now(&snapshot, discovery, |root, path| self.is_config_of(root, path))?;
            let moves = match verdict(&snapshot, &placement)? {
                Verdict::Stays => return Ok(asked.take().placed(placement)),
                Verdict::Switches(moves) => moves,
                Verdict::Keeps(id, warning) => {
                    asked.note(placement);
                    asked.warnings.extend(warning);
                    let project = self.by_id(&id, Some(directory.as_path())).await;
                    return Ok(Some(asked.take().resolved(project, Tier::Session)));
                }
                Verdict::Nothing(reason) => {
                    asked.note(placement);
                    asked.skip("config", &reason);
                    return Ok(None);
                }
                Verdict::Refused(reason) => {
                    asked.note(placement);
                    asked.skip("config", &reason);
                    return Err(asked.take().unresolved());
                }
            };
            match session.update(placement.change_of(&snapshot)?.if_version(snapshot.version)).await {
                Err(error) if lost_a_race(&error, attempt) => {}
                Err(SessionError::Manager(Error::Store(StoreError::ReadOnly))) => {
                    return self.as_it_was(&snapshot, placement, asked.take()).await.map(Some);
                }
                Err(error) => return Err(error),
                Ok(_) => {
                    let is_other = |before: &&str| placement.project.as_ref().is_none_or(|now| now.id != **before);
                    asked.switched_from = project_of(&snapshot).filter(is_other).map(str::to_owned);
                    asked.working_directory.clone_from(&placement.working_directory);
                    asked.warnings.extend(moves);
                    return Ok(asked.take().placed(placement));
                }
            }
        }
        Err(StoreError::Conflict.into())
    }

    /// The registered project without a config file of its own that a session was switched to, while it works in that
    /// project's very directory: the project there, whatever is further up.
    async fn chosen(&self, session: &Snapshot, found: &Discovery) -> Option<Project> {
        let id = project_of(session).filter(|_| session.config_path.is_none())?;
        let project = self.by_id(id, Some(&found.directory)).await;
        (project.config_path.is_none() && project.root.as_ref() == Some(&found.directory)).then_some(project)
    }

    /// The project of a session that was switched to one without a directory.
    async fn without_directory(&self, snapshot: &Snapshot, asked: &mut Asked) -> Option<Resolution> {
        let Some(id) = project_of(snapshot) else {
            asked.skip("session", "it has no working directory; set one with `set_working_directory`");
            return None;
        };
        let project = self.by_id(id, None).await;
        Some(asked.take().resolved(project, Tier::Session))
    }

    /// The project of a session that this call may not switch.
    async fn as_it_was(
        &self,
        snapshot: &Snapshot,
        placement: Placement,
        mut asked: Asked,
    ) -> Result<Resolution, SessionError> {
        let now = placement.project.as_ref().map_or_else(String::new, Project::in_words);
        asked.warnings.push(format!(
            "the directory belongs to {now} now, and this handle may only read: a call by one that may write switches the \
             session"
        ));
        let Some(id) = project_of(snapshot) else {
            asked.skipped.append(&mut asked.warnings);
            return Err(asked.unresolved());
        };
        let project = self.by_id(id, asked.working_directory.as_deref()).await;
        asked.note(placement);
        Ok(asked.resolved(project, Tier::Session))
    }

    async fn tracked(&self, asked: &mut Asked) -> Option<Project> {
        let Some(tracker) = self.tracker() else {
            asked.skip("tracker", "none is configured");
            return None;
        };
        match tracker.ask(asked.working_directory.as_deref()).await {
            Answer::Project(current) => Some(Project::elsewhere(&current.id, current.name)),
            Answer::Nothing => {
                asked.skip("tracker", "it has no current project");
                None
            }
            Answer::Failed(reason) => {
                asked.skip("tracker", &reason.to_string());
                None
            }
        }
    }
}

/// What was asked so far.
#[derive(Default)]
struct Asked {
    working_directory: Option<PathBuf>,
    switched_from: Option<String>,
    skipped: Vec<String>,
    warnings: Vec<String>,
}

impl Asked {
    fn skip(&mut self, who: &str, why: &str) {
        self.skipped.push(format!("{who}: {why}"));
    }

    /// Keeps what was noticed on the way to a config file, or to none.
    fn note(&mut self, placement: Placement) {
        self.skipped.extend(placement.skipped_in_words());
        self.warnings.extend(placement.warnings);
    }

    fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    fn placed(mut self, placement: Placement) -> Option<Resolution> {
        let project = placement.project.clone()?;
        self.note(placement);
        Some(self.resolved(project, Tier::Config))
    }

    fn resolved(self, project: Project, tier: Tier) -> Resolution {
        let Self { working_directory, switched_from, skipped, warnings } = self;
        let resolved_by = ResolvedBy::new(tier, &project);
        Resolution { project, resolved_by, working_directory, switched_from, skipped, warnings }
    }

    fn unresolved(self) -> SessionError {
        ProjectError::Unresolved { skipped: self.skipped }.into()
    }
}
