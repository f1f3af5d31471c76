//! The answer where nothing has to be searched for.

use std::path::Path;

use super::{Discovery, Freshness, Search, Sighting};
use crate::project::files::{Content, Opened};

/// What a directory's own config file of the first name says, since nothing counts before that.
///
/// One opening proves that neither the directory's path nor the file's has a link in it and that both are beneath a
/// root, so that nothing else has to be looked at. `None` says nothing: whatever is not that plain is searched for.
pub(super) fn at_once(search: &Search, directory: &Path, freshness: Freshness) -> Option<Discovery> {
    let path = directory.join(search.names.first()?.whole());
    let sighting = known(search, directory, &path).or_else(|| read(search, directory, &path, freshness))?;
    Some(Discovery { directory: directory.to_owned(), sighting, skipped: Vec::new() })
}

/// A config that was read before. Its directory was found to be beneath a root then, by a path that has to be the same.
fn known(search: &Search, directory: &Path, path: &Path) -> Option<Sighting> {
    match search.files.kept(path, || search.roots.stamp(path))? {
        Content::Config(found) if is_same(&found.root, directory) => Some(Sighting::Config(found)),
        _ => None,
    }
}

/// One that is read from the same opening.
fn read(search: &Search, directory: &Path, path: &Path, freshness: Freshness) -> Option<Sighting> {
    let Search { roots, rules, files, nothings, .. } = search;
    let is_home = rules.home.as_ref().is_some_and(|home| is_same(home, directory));
    let is_nobodys = is_home || directory.parent().is_none();
    let is_remembered = || freshness == Freshness::Recent && nothings.contains_key(directory);
    if is_nobodys || !roots.may_be_canonical(directory) || is_remembered() {
        return None;
    }
    let opened = Opened::by(|| roots.canonical_file(path))?;
    match files.content_of(path, directory, &opened, roots) {
        Content::Config(found) if is_same(&found.root, directory) => Some(Sighting::Config(found)),
        Content::Invalid(why) => Some(Sighting::Invalid(why)),
        _ => None,
    }
}

/// Whether two paths are spelled the same, which is more than that they lead to the same.
fn is_same(one: &Path, other: &Path) -> bool {
    one.as_os_str() == other.as_os_str()
}
