//! What a machine may be set to: `Tuning`, parsed from tuning/settings, which tuning/apply, the
//! drop-ins and the documents stand on too.
//!
//! In: blocks of `name: value` lines. Out: profiles and settings; or the first line that is
//! neither, which a test of the file itself rules out.

use crate::host::rule::Rule;

const TEXT: &str = include_str!("../../tuning/settings");

/// All profiles and settings.
#[derive(Clone, Debug)]
pub struct Tuning {
    /// In the order of the file.
    pub profiles: Vec<Profile>,
    /// In the order of the file.
    pub settings: Vec<Setting>,
}

/// A kind of use that a machine is set for.
#[derive(Clone, Debug)]
pub struct Profile {
    /// As it is typed.
    pub name: String,
    /// In a line.
    pub about: String,
}

/// Something that can be set.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Its name in reports.
    pub name: String,
    /// The file that tells it; `*` stands for a part of a name.
    pub reads: String,
    /// What a wish means.
    pub rule: Rule,
    /// The kernel, by major and minor number, from which on it does not matter.
    pub until: Option<(u32, u32)>,
    /// Profiles, and what each wants.
    pub wishes: Vec<(String, String)>,
    /// The word of a unit that sets it.
    pub unit: Option<String>,
    /// What it is good for.
    pub why: String,
    /// How to set it, where no file can be written.
    pub fix: String,
    /// What it changed, when measured.
    pub gave: String,
}

impl Setting {
    /// What a profile wants of it.
    #[must_use]
    pub fn wish(&self, profile: &str) -> Option<&str> {
        self.wishes.iter().find(|(name, _)| name == profile).map(|(_, wish)| wish.as_str())
    }
}

impl Tuning {
    /// Parses what was built in.
    ///
    /// # Errors
    /// The first line that breaks the form of the file.
    pub fn built_in() -> Result<Self, String> {
        Self::parse(TEXT)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut tuning = Self { profiles: Vec::new(), settings: Vec::new() };
        for block in text.split("\n\n") {
            let fields = Fields::parse(block)?;
            match fields.0.first().map(|(name, value)| (name.as_str(), value.clone())) {
                None => {}
                Some(("profile", name)) => {
                    tuning.profiles.push(Profile { name, about: fields.required("about")? });
                }
                Some(("setting", name)) => {
                    let setting = setting(name, &fields, &tuning.profiles)?;
                    tuning.settings.push(setting);
                }
                Some((other, _)) => return Err(format!("a block cannot begin with {other}")),
            }
        }
        Ok(tuning)
    }
}

fn setting(name: String, fields: &Fields, profiles: &[Profile]) -> Result<Setting, String> {
    let wishes = profiles.iter().filter_map(|profile| {
        Some((profile.name.clone(), fields.value(&profile.name)?.to_owned()))
    });
    Ok(Setting {
        reads: fields.required("reads")?,
        rule: Rule::parse(&fields.required("rule")?).map_err(|why| format!("{name}: {why}"))?,
        until: match fields.value("until") {
            Some(text) => {
                Some(kernel_version(text).ok_or_else(|| format!("{name}: {text} is no kernel"))?)
            }
            None => None,
        },
        wishes: wishes.collect(),
        unit: fields.value("unit").map(str::to_owned),
        why: fields.required("why")?,
        fix: fields.value("fix").unwrap_or_default().to_owned(),
        gave: fields.required("gave")?,
        name,
    })
}

/// The major and minor number of `6.1.0-13-amd64`.
pub(super) fn kernel_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(|character: char| !character.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// The lines of a block.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn parse(block: &str) -> Result<Self, String> {
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in block.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            if let Some((_, value)) = fields.last_mut().filter(|_| line.starts_with(' ')) {
                value.push(' ');
                value.push_str(line.trim());
            } else if let Some((name, value)) = line.split_once(": ") {
                fields.push((name.to_owned(), value.to_owned()));
            } else {
                return Err(format!("\"{line}\" is no `name: value`"));
            }
        }
        Ok(Self(fields))
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    fn required(&self, name: &str) -> Result<String, String> {
        let of = self.0.first().map_or("", |(_, value)| value);
        self.value(name).map(str::to_owned).ok_or_else(|| format!("{of} has no {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_has_its_form() {
        let tuning = Tuning::built_in().expect("a file in its form");
        let names: Vec<_> = tuning.profiles.iter().map(|profile| profile.name.as_str()).collect();
        assert_eq!(names, ["latency", "throughput", "many-idle", "container"]);
        for setting in &tuning.settings {
            assert!(!setting.wishes.is_empty(), "{} is wished for by nobody", setting.name);
            assert!(
                setting.rule.is_written() || !setting.fix.is_empty(),
                "{} says no fix",
                setting.name
            );
        }
    }

    #[test]
    fn what_breaks_the_form_is_named() {
        for (text, fault) in [
            ("profile: a\n", "a has no about"),
            ("setting: b\nreads: /x\nrule: bend\nwhy: w\ngave: g\n", "b: there is no rule bend"),
            ("setting: b\nreads: /x\nrule: boot\nuntil: x\nwhy: w\ngave: g\n", "b: x is no kernel"),
            ("fix: c\n", "a block cannot begin with fix"),
            ("setting\n", "\"setting\" is no `name: value`"),
        ] {
            assert_eq!(Tuning::parse(text).expect_err(fault), fault);
        }
    }
}
