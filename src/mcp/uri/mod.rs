//! Addresses of resources: what counts as one, and templates of them.
//!
//! In: a URI as a client sends it, or a template as a programmer writes it. Out: whether it is an
//! address; the variables with which a template gives it. Spec: RFC 3986 §3; RFC 6570, of which
//! `{name}`, `{+name}` and a last `{?a,b}` are known here. Limits: [`URI_BYTES_MAX`].
//! Invariants: matching looks at each byte a bounded number of times, however a URI was made; what
//! a plain `{name}` gives is one segment of a path: no `/`, no NUL, neither `.` nor `..`, escaped
//! or not.

use std::borrow::Cow;

/// How long an address may be.
pub const URI_BYTES_MAX: usize = 8192;

/// Why a text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be an absolute URI of at most {URI_BYTES_MAX} bytes: a scheme, a colon, then ASCII \
     without blanks, any other character percent-encoded (RFC 3986)"
)]
pub struct NoUri;

/// Holds an address against RFC 3986, as far as its characters go.
///
/// # Errors
/// [`NoUri`]
pub fn check(uri: &str) -> Result<(), NoUri> {
    let sound = uri.len() <= URI_BYTES_MAX && has_scheme(uri) && has_uri_characters(uri);
    sound.then_some(()).ok_or(NoUri)
}

fn has_scheme(text: &str) -> bool {
    let Some((scheme, _)) = text.split_once(':') else { return false };
    let mut bytes = scheme.bytes();
    let rest = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic()) && bytes.all(rest)
}

fn has_uri_characters(text: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let fits = match byte {
            b'%' => hex(bytes.next()).and(hex(bytes.next())).is_some(),
            _ => byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(&byte),
        };
        if !fits {
            return false;
        }
    }
    true
}

fn hex(digit: Option<u8>) -> Option<u8> {
    let value = char::from(digit?).to_digit(16)?;
    u8::try_from(value).ok()
}

/// A template of addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UriTemplate {
    /// What stands before the first variable.
    start: String,
    /// Each variable of the path with what stands behind it, which is empty for the last at most.
    path: Vec<(Variable, String)>,
    /// The names of `{?a,b}`.
    query: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Variable {
    name: String,
    /// Whether it may hold `/` and the like; one variable at most does.
    reserved: bool,
}

/// Why a text is no template that this server can match.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It does not begin with a scheme.
    #[error("a template begins with a scheme and a colon, as `note:///{{name}}` does")]
    Scheme,
    /// A character that a URI does not have, or a brace without its other.
    #[error("{literal:?} does not fit a URI; percent-encode it, and pair the braces")]
    Literal {
        /// What stands there.
        literal: String,
    },
    /// An expression of another kind.
    #[error(
        "`{{{expression}}}` cannot be matched; write {{name}}, {{+name}}, or {{?a,b}} at the end"
    )]
    Expression {
        /// What stands between the braces.
        expression: String,
    },
    /// A variable that stands there twice.
    #[error("variable `{name}` stands there twice; give one of them another name")]
    Twice {
        /// Its name.
        name: String,
    },
    /// Two variables with nothing between them.
    #[error("nothing tells where `{name}` begins; write something before it")]
    Adjacent {
        /// The second of them.
        name: String,
    },
    /// A second `{+name}`.
    #[error("`{{+{name}}}` is the second of its kind; one may stand in a template")]
    Reserved {
        /// Its name.
        name: String,
    },
    /// It is one address.
    #[error("a template without a variable is one address; offer it as a resource")]
    Constant,
}

impl UriTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// What keeps it from being matched.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let (start, mut rest) = literal(text)?;
        if !has_scheme(start) {
            return Err(TemplateError::Scheme);
        }
        let mut template = Self { start: start.to_owned(), path: Vec::new(), query: Vec::new() };
        while !rest.is_empty() {
            let (expression, after) = expression(rest)?;
            let (behind, further) = literal(after)?;
            match expression {
                Expression::Path(variable) => template.push(variable, behind)?,
                Expression::Query(names) if after.is_empty() => template.query = names,
                Expression::Query(names) => {
                    let expression = format!("?{}", names.join(","));
                    return Err(TemplateError::Expression { expression });
                }
            }
            rest = further;
        }
        template.check_names()?;
        Ok(template)
    }

    fn push(&mut self, variable: Variable, behind: &str) -> Result<(), TemplateError> {
        let name = || variable.name.clone();
        if self.path.last().is_some_and(|(_, behind)| behind.is_empty()) {
            return Err(TemplateError::Adjacent { name: name() });
        }
        if variable.reserved && self.path.iter().any(|(variable, _)| variable.reserved) {
            return Err(TemplateError::Reserved { name: name() });
        }
        self.path.push((variable, behind.to_owned()));
        Ok(())
    }

    fn check_names(&self) -> Result<(), TemplateError> {
        let mut seen = Vec::new();
        for name in self.variables() {
            if seen.contains(&name) {
                return Err(TemplateError::Twice { name: name.to_owned() });
            }
            seen.push(name);
        }
        if seen.is_empty() { Err(TemplateError::Constant) } else { Ok(()) }
    }

    /// The names of its variables, in order.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        let path = self.path.iter().map(|(variable, _)| &variable.name);
        path.chain(&self.query).map(String::as_str)
    }

    /// The variables with which the template gives this address, percent-decoded, in the order of
    /// the template; `None` if it does not. Those of `{?a,b}` may be missing.
    ///
    /// Of a plain variable the shortest value is taken that lets the rest match.
    #[must_use]
    pub fn match_uri<'u>(&self, uri: &'u str) -> Option<Vec<(&str, Cow<'u, str>)>> {
        let (path, query) = match uri.split_once('?') {
            Some((path, query)) if !self.query.is_empty() => (path, query),
            _ => (uri, ""),
        };
        let mut variables = self.match_path(path)?;
        for pair in query.split('&').filter(|_| !query.is_empty()) {
            let (asked, value) = pair.split_once('=')?;
            let name = self.query.iter().find(|name| *name == asked)?;
            if variables.iter().any(|(held, _)| held == name) {
                return None;
            }
            variables.push((name, decode(value)?));
        }
        Some(variables)
    }

    /// From the start up to the variable that takes what is left, then from the end back to it:
    /// the only one that may hold `/`, or the last. No choice is ever taken back: were an earlier
    /// end of a variable wrong, the next would have to hold what lies between, and may.
    fn match_path<'u>(&self, path: &'u str) -> Option<Vec<(&str, Cow<'u, str>)>> {
        let mut rest = path.strip_prefix(self.start.as_str())?;
        let Some(last) = self.path.len().checked_sub(1) else {
            return rest.is_empty().then(Vec::new);
        };
        let taker = self.path.iter().position(|(variable, _)| variable.reserved).unwrap_or(last);
        let mut values = vec![""; self.path.len()];
        for (value, (_, behind)) in values.iter_mut().zip(&self.path).take(taker) {
            let end = 1 + rest.get(1..)?.find(behind.as_str())?;
            *value = rest.get(..end)?;
            rest = rest.get(end + behind.len()..)?;
        }
        for index in (taker + 1..self.path.len()).rev() {
            let (before, behind) = (&self.path.get(index - 1)?.1, &self.path.get(index)?.1);
            rest = rest.strip_suffix(behind.as_str())?;
            let open = rest.get(..rest.len().checked_sub(1)?)?;
            let start = open.rfind(before.as_str())? + before.len();
            *values.get_mut(index)? = rest.get(start..)?;
            rest = rest.get(..start)?;
        }
        let (_, behind) = self.path.get(taker)?;
        *values.get_mut(taker)? = rest.strip_suffix(behind.as_str())?;
        let pairs = self.path.iter().zip(values);
        let read =
            pairs.map(|((variable, _), value)| Some((&*variable.name, variable.read(value)?)));
        read.collect()
    }
}

impl Variable {
    /// The value as it is meant, if the variable may have it.
    fn read<'u>(&self, value: &'u str) -> Option<Cow<'u, str>> {
        if value.is_empty() || (!self.reserved && value.contains(['/', '?', '#'])) {
            return None;
        }
        let value = decode(value)?;
        let leads_away = matches!(&*value, "." | "..") || value.contains(['/', '\0']);
        (self.reserved || !leads_away).then_some(value)
    }
}

enum Expression {
    Path(Variable),
    Query(Vec<String>),
}

/// The expression at the start of a text, and what follows it.
fn expression(text: &str) -> Result<(Expression, &str), TemplateError> {
    let unknown = |text: &str| TemplateError::Expression { expression: text.to_owned() };
    let inside = text.strip_prefix('{').unwrap_or(text);
    let (expression, after) = inside.split_once('}').ok_or_else(|| unknown(inside))?;
    let is_name = |name: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.".contains(&byte);
        !name.is_empty() && name.bytes().all(fits)
    };
    if let Some(names) = expression.strip_prefix('?') {
        let names: Vec<_> = names.split(',').map(str::to_owned).collect();
        let sound = names.iter().all(|name| is_name(name));
        return sound
            .then_some((Expression::Query(names), after))
            .ok_or_else(|| unknown(expression));
    }
    let (name, reserved) = match expression.strip_prefix('+') {
        Some(name) => (name, true),
        None => (expression, false),
    };
    if !is_name(name) {
        return Err(unknown(expression));
    }
    Ok((Expression::Path(Variable { name: name.to_owned(), reserved }), after))
}

/// What stands before the next expression, and the rest with it.
fn literal(text: &str) -> Result<(&str, &str), TemplateError> {
    let (literal, rest) = text.split_at(text.find('{').unwrap_or(text.len()));
    if has_uri_characters(literal) {
        return Ok((literal, rest));
    }
    Err(TemplateError::Literal { literal: literal.to_owned() })
}

fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => (hex(bytes.next())? << 4) | hex(bytes.next())?,
            _ => byte,
        });
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests;
