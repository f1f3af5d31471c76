//! Brings a session into another directory, or to another project.

use std::path::{Path, PathBuf};

use session_core::{Change, Edit, Error, Opened, Session as Snapshot, StoreError, Updated};

use crate::error::SessionError;
use crate::session::Session;

use super::discovery::{Freshness, Sighting};
use super::error::ProjectError;
use super::identity::{Project, Tier};
use super::known::own;
use super::placement::{Placement, project_of};
use super::projects::Projects;

/// Where to switch a session.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a project has a name, a directory, or is where the session is")]
pub enum Target<'a> {
    /// To the project of the directory that it works in, as the config file says now.
    Here,
    /// To the project of this directory, and into it.
    Directory(&'a Path),
    /// To the known project of this name or id, and into its directory.
    Project(&'a str),
}

/// What a switch did, or would do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Switch {
    /// Where the session works now, or would.
    pub placement: Placement,
    /// The id of the project it worked in before, if it did.
    pub from: Option<String>,
    /// The directory it worked in before, if it did.
    pub from_directory: Option<PathBuf>,
    /// Whether it was left as it was, because the caller or the project's config file wants to know only.
    pub dry_run: bool,
    /// What the store answered. `None` if nothing was changed, because of `dry_run` or because there was nothing to.
    pub updated: Option<Updated>,
}

/// What became of a session that was given a directory.
#[derive(Debug)]
#[non_exhaustive]
pub struct Placed {
    /// Where it works now, or would.
    pub placement: Placement,
    /// What was done to it.
    pub outcome: Outcome,
}

/// What was done to a session.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "it is opened, changed or left")]
pub enum Outcome {
    /// It was opened for this.
    Opened(Opened),
    /// It was changed.
    Updated(Updated),
    /// Nothing: the project's config file sets `dry_run`.
    Unchanged,
}

impl Projects {
    /// Sets the directory that a session works in, and the project that it belongs to, as one change. A call that
    /// belongs to no session gets one opened for it.
    ///
    /// Where no config file can be used the session has no project from then on. A project that sets `auto_switch` off
    /// lets the session keep the project it has; one that sets `dry_run`, everything.
    ///
    /// # Errors
    ///
    /// [`SessionError::Project`] if the directory cannot be used, or its project is strict and another than the
    /// session's, which it would not switch from by itself. What opening or changing the session refuses.
    pub async fn set_working_directory(&self, session: &Session, directory: &Path) -> Result<Placed, SessionError> {
        for attempt in 0..MAX_ATTEMPTS {
            let (placement, change) = self.place(session, directory).await?;
            let outcome = match change {
                None => Ok(Outcome::Unchanged),
                Some(change) if matches!(session.source(), Err(SessionError::NoSession)) => {
                    session.open(change).await.map(Outcome::Opened)
                }
                Some(change) => session.update(change).await.map(Outcome::Updated),
            };
            match outcome {
                Err(error) if lost_a_race(&error, attempt) => {}
                outcome => return Ok(Placed { placement, outcome: outcome? }),
            }
        }
        Err(StoreError::Conflict.into())
    }

    /// Switches a session to another project: its directory, config file and id in one change, so that every other call
    /// sees the old project or the new one. Unlike a directory that is set, this is the caller's own decision: projects
    /// that are strict, or do not switch by themselves, are switched to, and left.
    ///
    /// With `dry_run`, or if the project's config file sets it, says what would be switched and changes nothing.
    ///
    /// # Errors
    ///
    /// [`SessionError::Project`] if there is no such project; what loading and changing the session refuses.
    pub async fn switch(&self, session: &Session, target: Target<'_>, dry_run: bool) -> Result<Switch, SessionError> {
        for attempt in 0..MAX_ATTEMPTS {
            let snapshot = session.load().await?;
            let here = snapshot.working_directory.as_ref().map(|directory| directory.as_path().to_owned());
            let placement = self.destination(session, target, here.as_deref()).await?;
            let dry_run = dry_run || placement.rules.dry_run;
            let is_done = dry_run || placement.is_of(&snapshot);
            let updated = if is_done {
                Ok(None)
            } else {
                session.update(placement.change_of(&snapshot)?.if_version(snapshot.version)).await.map(Some)
            };
            match updated {
                Err(error) if lost_a_race(&error, attempt) => {}
                updated => {
                    let (from, updated) = (project_of(&snapshot).map(str::to_owned), updated?);
                    return Ok(Switch { placement, from, from_directory: here, dry_run, updated });
                }
            }
        }
        Err(StoreError::Conflict.into())
    }

    /// Where a session is to be put that is given a directory, and the change that does it, if it is to be done.
    pub(crate) async fn place(
        &self,
        session: &Session,
        directory: &Path,
    ) -> Result<(Placement, Option<Change>), SessionError> {
        let discovery = self.look(directory, Freshness::Now).await.map_err(ProjectError::Argument)?;
        let mut placement = Placement::in_directory(discovery);
        let rules = placement.rules;
        let snapshot = own(session).await;
        if !rules.dry_run && (rules.auto_switch || placement.project.is_none()) {
            // Where it is now is good to know, and no reason to refuse.
            let change = match snapshot {
                Ok(Some(snapshot)) => placement.change_of(&snapshot)?,
                Ok(None) | Err(_) => placement.change()?,
            };
            return Ok((placement, Some(change)));
        }
        let snapshot = snapshot?;
        if rules.dry_run {
            placement.warn_of_dry_run();
            return Ok((placement, None));
        }
        let mut change = placement.change()?;
        change.expected = snapshot.as_ref().map(|snapshot| snapshot.version);
        let pinned = snapshot.as_ref().and_then(project_of);
        if pinned.is_none() || pinned != placement.project.as_ref().map(|project| &*project.id) {
            change.project_id = Edit::Keep;
            if pinned.is_some() {
                // It is not what the session came to its project by.
                change.config_path = Edit::Remove;
            }
            self.stay(&mut placement, snapshot.as_ref()).await?;
        }
        Ok((placement, Some(change)))
    }

    /// Where a session is to be put that is given a project, and the change that does it, if it is to be done.
    pub(crate) async fn place_in_project(
        &self,
        session: &Session,
        project: &str,
    ) -> Result<(Placement, Option<Change>), SessionError> {
        let mut placement = self.destination(session, Target::Project(project), None).await?;
        if placement.rules.dry_run {
            placement.warn_of_dry_run();
            return Ok((placement, None));
        }
        let change = match own(session).await? {
            Some(snapshot) => placement.change_of(&snapshot)?,
            None => placement.change()?,
        };
        Ok((placement, Some(change)))
    }

    /// Lets a session come to a directory and keep its project, if it has one.
    async fn stay(&self, placement: &mut Placement, session: Option<&Snapshot>) -> Result<(), SessionError> {
        let Some(found) = placement.project.take() else { return Ok(()) };
        let pinned = session.and_then(project_of);
        if let (Some(pinned), true, Some(config_path)) =
            (pinned, placement.rules.strict_mode, placement.config_path.clone())
        {
            return Err(ProjectError::Mismatch { pinned: pinned.to_owned(), found: found.id, config_path }.into());
        }
        placement.project = Some(found);
        let warning = placement.not_switched("auto_switch is off");
        placement.warnings.push(warning);
        (placement.project, placement.resolved_by) = (None, None);
        if let Some(session) = session
            && let Some(project) = self.kept(session).await
        {
            placement.take(project, Tier::Session);
        }
        Ok(())
    }

    /// Where a target is.
    async fn destination(
        &self,
        session: &Session,
        target: Target<'_>,
        here: Option<&Path>,
    ) -> Result<Placement, SessionError> {
        let discovery = match target {
            Target::Directory(directory) => {
                self.look(directory, Freshness::Now).await.map_err(ProjectError::Argument)?
            }
            Target::Here => match here {
                Some(directory) => {
                    self.look(directory, Freshness::Now).await.map_err(ProjectError::WorkingDirectory)?
                }
                None => return Err(ProjectError::Unresolved { skipped: vec![NO_DIRECTORY.to_owned()] }.into()),
            },
            Target::Project(said) => {
                let (project, warnings) = self.one_meant(session, said).await?;
                let mut placement = self.of_known(project).await?;
                placement.warnings.extend(warnings);
                return Ok(placement);
            }
        };
        match &discovery.sighting {
            Sighting::Invalid(invalid) => Err(ProjectError::Config(invalid.clone()).into()),
            Sighting::Config(_) => Ok(Placement::in_directory(discovery)),
            Sighting::Nothing => {
                let skipped = discovery.skipped.iter().map(ToString::to_string).collect();
                Err(ProjectError::NoConfig { directory: discovery.directory, skipped }.into())
            }
        }
    }

    /// Where a known project is, as its directory says now.
    async fn of_known(&self, project: Project) -> Result<Placement, SessionError> {
        let Some(root) = &project.root else { return Ok(Placement::in_project(project, Tier::Argument)) };
        let discovery = self.look(root, Freshness::Now).await.map_err(ProjectError::Root)?;
        let found = match &discovery.sighting {
            Sighting::Invalid(invalid) => return Err(ProjectError::Config(invalid.clone()).into()),
            Sighting::Config(found) if found.root == *root => Some(Project::of(found)),
            Sighting::Config(_) | Sighting::Nothing => None,
        };
        match found {
            Some(found) if found.id == project.id => {
                let mut placement = Placement::in_directory(discovery);
                placement.take(found, Tier::Argument);
                Ok(placement)
            }
            None if project.config_path.is_none() => {
                let mut placement = Placement::in_project(project, Tier::Argument);
                placement.working_directory = Some(discovery.directory);
                Ok(placement)
            }
            // It is not the one that was chosen, since a moment.
            Some(_) | None => Err(ProjectError::Unknown { unseen: Vec::new() }.into()),
        }
    }
}

const NO_DIRECTORY: &str = "session: it has no working directory";

/// How often a change is tried that others get ahead of.
pub(crate) const MAX_ATTEMPTS: usize = 64;

/// Whether a change is to be tried again, because somebody else changed the session meanwhile.
pub(crate) fn lost_a_race(error: &SessionError, attempt: usize) -> bool {
    matches!(error, SessionError::Manager(Error::Store(StoreError::Conflict))) && attempt + 1 < MAX_ATTEMPTS
}
