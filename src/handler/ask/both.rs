//! Two futures awaited at once, so that what both ask goes out together.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

/// Waits for two futures at once, as the `join!` of other libraries does. Questions that both ask
/// go to a client of the modern era in one answer, and it calls back once.
///
/// ```
/// use ringlane::{Cx, Elicited, Sampling, ToolError, both};
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Name {
///     name: String,
/// }
///
/// async fn greet(cx: Cx, (): ()) -> Result<String, ToolError> {
///     let name = cx.ask::<Name>("name", "What is your name?");
///     let words = cx.sample("words", Sampling::user("Write a greeting").max_tokens(50));
///     let (name, words) = both(name, words).await;
///     let name = name?.accepted().map_or_else(String::new, |Name { name }| name);
///     Ok(format!("{}, {name}", words?.text()))
/// }
/// ```
pub async fn both<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut a_done, mut b_done) = (None, None);
    poll_fn(|context| {
        if a_done.is_none()
            && let Poll::Ready(done) = a.as_mut().poll(context)
        {
            a_done = Some(done);
        }
        if b_done.is_none()
            && let Poll::Ready(done) = b.as_mut().poll(context)
        {
            b_done = Some(done);
        }
        match (a_done.take(), b_done.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                (a_done, b_done) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}
