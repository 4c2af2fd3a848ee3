//! The skills of a registry: unique by name, and none of their files at an address that something
//! else has.

use super::{Offer, Registry, RegistryError};
use crate::handler::skill::{Skill, SkillFile};
use crate::mcp::uri;

/// Where a file of a skill stands: the skill's index, and the file's in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileAt(usize, usize);

impl Registry {
    /// Adds a skill.
    ///
    /// # Errors
    /// What keeps it from being offered.
    pub fn add_skill(&mut self, skill: Skill) -> Result<(), RegistryError> {
        if self.skills.iter().any(|held| held.name == skill.name) {
            return Err(RegistryError::Twice { what: Offer::Skill, name: skill.name });
        }
        for SkillFile { contents, .. } in &skill.files {
            let uri = contents.uri.clone();
            if uri::check(&uri).is_err() {
                return Err(RegistryError::Uri { uri });
            }
            if self.resource_index.contains_key(&uri) {
                return Err(RegistryError::Twice { what: Offer::Resource, name: uri });
            }
        }
        let at = self.skills.len();
        let files = skill.files.iter().enumerate();
        let places = files.map(|(index, file)| (file.contents.uri.clone(), FileAt(at, index)));
        self.skill_files.extend(places);
        self.skills.push(skill);
        Ok(())
    }

    /// The skills, in order.
    #[must_use]
    pub fn skills(&self) -> &[Skill] {
        &self.skills
    }

    /// Where the skill stands whose `SKILL.md` is at this address.
    #[must_use]
    pub fn skill_index(&self, uri: &str) -> Option<usize> {
        let FileAt(skill, file) = *self.skill_files.get(uri)?;
        let is_manifest = self.skills[skill].files[file].path == crate::handler::skill::MANIFEST;
        is_manifest.then_some(skill)
    }

    /// The file of a skill at this address.
    #[must_use]
    pub fn skill_file(&self, uri: &str) -> Option<&SkillFile> {
        let FileAt(skill, file) = *self.skill_files.get(uri)?;
        Some(&self.skills[skill].files[file])
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::handler::context::Cx;
    use crate::handler::resource::Resource;

    fn skill(name: &str) -> Skill {
        let file =
            |path: &str| SkillFile::new(name, path.to_owned(), "text/markdown", b"x".to_vec());
        let files = vec![file("SKILL.md"), file("a/SKILL.md")];
        Skill { name: name.to_owned(), front_matter: Map::new(), files }
    }

    #[test]
    fn skills_have_names_and_addresses_of_their_own() {
        let mut registry = Registry::default();
        assert_eq!(registry.add_skill(skill("a")), Ok(()));
        let told = registry.add_skill(skill("a")).expect_err("taken").to_string();
        assert_eq!(told, "skill `a` is registered twice; give one of them another name");
        let resource = |uri: &str| Resource::new(uri, "n", async |_: Cx| Ok("x"));
        let taken = registry.add_resource(resource("skill://a/SKILL.md"));
        assert!(matches!(taken, Err(RegistryError::Twice { what: Offer::Resource, .. })));
        assert_eq!(registry.add_resource(resource("skill://b/a/SKILL.md")), Ok(()));
        let taken = registry.add_skill(skill("b"));
        assert!(matches!(taken, Err(RegistryError::Twice { what: Offer::Resource, .. })));
        assert_eq!(registry.skills().len(), 1);
    }

    #[test]
    fn a_skill_is_named_by_the_manifest_at_its_root() {
        let mut registry = Registry::default();
        registry.add_skill(skill("a")).expect("a skill");
        assert_eq!(registry.skill_index("skill://a/SKILL.md"), Some(0));
        assert_eq!(registry.skill_index("skill://a/a/SKILL.md"), None);
        assert!(registry.skill_file("skill://a/a/SKILL.md").is_some());
        assert!(registry.skill_file("skill://a").is_none());
        assert!(registry.has_resources());
    }
}
