//! A core's own twins of all that is offered: made once, when the core starts.
//!
//! Invariant: each list is in the order of the registry, so that an index there is one here.

use std::rc::Rc;

use crate::handler::code::{Code, Kind, LocalCode};
use crate::handler::completion::{Completer, Typing};
use crate::handler::prompt::Texts;
use crate::handler::registry::Registry;
use crate::handler::resource::Read;
use crate::handler::tool::Arguments;

/// All that a core runs.
pub(super) struct Twins {
    pub(super) tools: Vec<Rc<dyn LocalCode<Arguments>>>,
    pub(super) resources: Vec<Rc<dyn LocalCode<Read>>>,
    pub(super) templates: Vec<Completed<Read>>,
    pub(super) prompts: Vec<Completed<Texts>>,
}

/// Code whose arguments may be completed.
pub(super) struct Completed<K: Kind> {
    pub(super) code: Rc<dyn LocalCode<K>>,
    pub(super) completers: Vec<LocalCompleter>,
}

/// What completes one argument.
pub(super) struct LocalCompleter {
    pub(super) argument: String,
    pub(super) code: Rc<dyn LocalCode<Typing>>,
}

impl Twins {
    pub(super) fn of(registry: &Registry) -> Self {
        Self {
            tools: registry.tools().iter().map(|entry| entry.code.localise()).collect(),
            resources: registry.resources().iter().map(|entry| entry.code.localise()).collect(),
            templates: registry
                .templates()
                .iter()
                .map(|entry| Completed::of(&entry.code, &entry.completers))
                .collect(),
            prompts: registry
                .prompts()
                .iter()
                .map(|entry| Completed::of(&entry.code, &entry.completers))
                .collect(),
        }
    }
}

impl<K: Kind> Completed<K> {
    fn of(code: &Code<K>, completers: &[Completer]) -> Self {
        let completers = completers.iter().map(|Completer { argument, code }| LocalCompleter {
            argument: argument.clone(),
            code: code.localise(),
        });
        Self { code: code.localise(), completers: completers.collect() }
    }
}
