//! Requests that are made together, sent together.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

/// Runs what carries requests over a connection. While many are under way, it waits each time that it is woken until
/// the tasks that are ready on its thread had their turn: what those ask goes into the same write, and the server reads
/// and answers it together. Replies wait as long.
pub(super) async fn gathering(carrier: impl Future<Output = ()>, are_many: impl Fn() -> bool) {
    let mut carrier = pin!(carrier);
    let mut has_waited = false;
    poll_fn(|context| {
        has_waited = !has_waited && are_many();
        if has_waited {
            // Tasks that wake themselves go to the end of the queue.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        carrier.as_mut().poll(context)
    })
    .await;
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;
    use tokio::task::yield_now;

    use super::*;

    /// How much is carried each time, of what five tasks send that are ready at the same time.
    async fn carried(are_many: bool) -> Vec<usize> {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let (writes, mut written) = mpsc::unbounded_channel();
        let carrier = poll_fn(move |context| {
            let mut write = Vec::new();
            let state = receiver.poll_recv_many(context, &mut write, 100);
            if !write.is_empty() {
                writes.send(write.len()).expect("the test reads it");
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            state.map(drop)
        });
        let carrying = tokio::spawn(gathering(carrier, move || are_many));
        yield_now().await;
        for number in 0..5 {
            let sender = sender.clone();
            tokio::spawn(async move { sender.send(number) });
        }
        drop(sender);
        carrying.await.expect("it ends with what it carries");
        let mut sizes = Vec::new();
        while let Some(size) = written.recv().await {
            sizes.push(size);
        }
        sizes
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn what_is_asked_at_the_same_time_goes_together_if_it_is_much() {
        assert_eq!(tokio::spawn(carried(true)).await.expect("it runs"), [5]);
        let alone = tokio::spawn(carried(false)).await.expect("it runs");
        assert!(alone.len() > 1, "without, they go by themselves: {alone:?}");
        assert_eq!(alone.iter().sum::<usize>(), 5);
    }
}
