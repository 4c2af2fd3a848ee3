//! The state of a call that asked, as it travels: sealed into `requestState`, opened and checked
//! when it comes back.
//!
//! In: answers, what was done, the count of rounds. Out: a token that is good for one request by
//! one principal, until it expires. Nothing is kept here, so any replica with the same key goes on.
//! Spec: MCP 2026-07-28 basic/patterns/mrtr, "requestState" (hostile input; bind and expire).
//! Limits: `state_life`, `ask_rounds_max`, `state_bytes_max`.
//! Invariant: a token is checked whole before anything of it is looked at.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::AskLimits;
use super::binding::Binding;
use crate::handler::error::ToolError;
use crate::jsonrpc::error::{INTERNAL_ERROR, RpcError};
use crate::mcp::error;
use crate::session::seal::Sealer;

/// What the key of [`Sealer`] is derived for.
pub const PURPOSE: &str = "requestState";

/// What a call knew when it asked.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    /// What the client answered in all rounds, by key.
    pub(super) answers: Map<String, Value>,
    /// What was done once, by key.
    pub(super) once: Map<String, Value>,
    /// How many times the call ended with questions.
    pub(super) round: usize,
    expires: Stamp,
}

/// A second of the calendar, counted from 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Stamp(u64);

impl Stamp {
    /// The second in which a life ends that begins now; a part of a second counts as one.
    pub(super) fn after(unix_seconds: u64, life: Duration) -> Self {
        let seconds = life.as_secs() + u64::from(life.subsec_nanos() > 0);
        Self(unix_seconds.saturating_add(seconds))
    }
}

impl State {
    /// Seals the state.
    ///
    /// # Errors
    /// When it is too long to travel.
    pub(super) fn seal(
        &mut self,
        expires: Stamp,
        binding: &Binding,
        sealer: &Sealer,
        limits: &AskLimits,
    ) -> Result<String, ToolError> {
        self.expires = expires;
        let token = sealer.seal(&binding.bound(), &serde_json::to_vec(self)?)?;
        if token.len() > limits.state_bytes_max {
            let (bytes, most) = (token.len(), limits.state_bytes_max);
            return Err(ToolError::rpc(
                INTERNAL_ERROR,
                format!(
                    "Internal error: what the call has to remember takes {bytes} bytes, over \
                     {most} (state_bytes_max); ask for less, or keep it on the server"
                ),
            ));
        }
        Ok(token)
    }

    /// Opens a token that came back.
    ///
    /// # Errors
    /// The error with which the request is refused.
    pub(super) fn open(
        token: &str,
        binding: &Binding,
        sealer: &Sealer,
        limits: &AskLimits,
        unix_seconds: u64,
    ) -> Result<Self, RpcError> {
        let foreign = || {
            error::invalid_params(
                "requestState is not what this server gave for this very request; send it back \
                 unchanged with the same method, name and arguments, or call anew without it",
            )
        };
        if token.len() > limits.state_bytes_max {
            return Err(foreign());
        }
        let plain = sealer.open(&binding.bound(), token).map_err(|_| foreign())?;
        // What we sealed we can read, unless another version of this server did.
        let state: Self = serde_json::from_slice(&plain).map_err(|_| foreign())?;
        if Stamp(unix_seconds) >= state.expires {
            return Err(error::invalid_params("requestState expired; call anew without it"));
        }
        if state.round > limits.ask_rounds_max {
            let reason = "requestState went through too many rounds; call anew without it";
            return Err(error::invalid_params(reason));
        }
        Ok(state)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::session::seal::StateKey;

    fn sealer(byte: u8) -> Sealer {
        let key = StateKey::from_bytes(&[byte; 32]).expect("a key");
        Sealer::new(&key, PURPOSE).expect("random numbers")
    }

    fn state() -> State {
        let mut state = State { round: 2, ..State::default() };
        state.answers.insert("a".to_owned(), json!({"action": "decline"}));
        state.once.insert("b".to_owned(), json!(7));
        state
    }

    fn refusal(opened: Result<State, RpcError>) -> String {
        let error = opened.expect_err("a refusal");
        assert_eq!(error.code, -32602);
        error.message.into_owned()
    }

    #[test]
    fn a_state_comes_back_as_it_went_until_it_expires() {
        let limits = AskLimits { state_life: Duration::from_millis(1500), ..AskLimits::default() };
        let (binding, sealer) = (Binding::default(), sealer(1));
        let mut sealed = state();
        let stamp = Stamp::after(100, limits.state_life);
        let token = sealed.seal(stamp, &binding, &sealer, &limits).expect("sealed");
        let open = |unix_seconds| State::open(&token, &binding, &sealer, &limits, unix_seconds);
        assert_eq!(open(100), Ok(sealed));
        open(101).expect("still good");
        assert!(refusal(open(102)).contains("expired"));
    }

    #[test]
    fn a_state_of_another_key_or_call_is_refused() {
        let limits = AskLimits::default();
        let stamp = Stamp::after(0, limits.state_life);
        let mut other = Binding::default();
        other.write("tools/call", None, Some("somebody"));
        let token = state().seal(stamp, &Binding::default(), &sealer(1), &limits).expect("sealed");
        for (token, binding, sealer) in [
            (token.as_str(), &other, sealer(1)),
            (&token, &Binding::default(), sealer(2)),
            (&format!("{token}-TAMPERED"), &Binding::default(), sealer(1)),
            ("", &Binding::default(), sealer(1)),
        ] {
            let opened = State::open(token, binding, &sealer, &limits, 0);
            assert!(refusal(opened).contains("not what this server gave"));
        }
    }

    #[test]
    fn length_and_rounds_have_their_limits() {
        let (binding, sealer) = (Binding::default(), sealer(1));
        let stamp = Stamp::after(0, Duration::from_secs(9));
        let roomy = AskLimits::default();
        let token = state().seal(stamp, &binding, &sealer, &roomy).expect("sealed");
        let exact = AskLimits { state_bytes_max: token.len(), ..AskLimits::default() };
        state().seal(stamp, &binding, &sealer, &exact).expect("just short enough");
        let tight = AskLimits { state_bytes_max: token.len() - 1, ..roomy };
        let error = state().seal(stamp, &binding, &sealer, &tight).expect_err("too long");
        assert!(format!("{error:?}").contains("state_bytes_max"));
        refusal(State::open(&token, &binding, &sealer, &tight, 0));
        let two = AskLimits { ask_rounds_max: 2, ..AskLimits::default() };
        State::open(&token, &binding, &sealer, &two, 0).expect("the last round");
        let one = AskLimits { ask_rounds_max: 1, ..AskLimits::default() };
        assert!(refusal(State::open(&token, &binding, &sealer, &one, 0)).contains("rounds"));
    }
}
