//! A timer that makes others cheap.

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Runs what is polled whenever a connection carries something, with a timer that goes off again and again meanwhile,
/// and not when the connection is idle.
///
/// Each request has a timer of its own, which hardly ever goes off. If that is the next one that the runtime has, the
/// thread that waits for events is woken to take note of it, which costs more than all else that a timer does. With
/// this timer before it, nobody is woken.
pub(super) async fn with_pulse(carrier: impl Future<Output = ()>) {
    let mut carrier = pin!(carrier);
    let mut timer = pin!(sleep(Duration::ZERO));
    let (mut is_set, mut is_busy) = (false, false);
    poll_fn(|context| {
        if is_set && !timer.is_elapsed() {
            is_busy = true;
        } else {
            // It is set by what is carried, and once more if something was since.
            is_set = !is_set || is_busy;
            is_busy = false;
            if is_set {
                timer.as_mut().reset(Instant::now() + PULSE);
                let _ = timer.as_mut().poll(context);
            }
        }
        carrier.as_mut().poll(context)
    })
    .await;
}

/// Shorter than a request is waited for, unless operations have hardly any time.
const PULSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Poll, ready};

    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_timer_is_pending_while_something_is_carried_and_not_when_that_is_over() {
        let (polls, arrived) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (sender, mut receiver) = mpsc::unbounded_channel::<()>();
        let carrier = {
            let (polls, arrived) = (Arc::clone(&polls), Arc::clone(&arrived));
            poll_fn(move |context| {
                polls.fetch_add(1, Ordering::Relaxed);
                while let Some(()) = ready!(receiver.poll_recv(context)) {
                    arrived.fetch_add(1, Ordering::Relaxed);
                }
                Poll::Ready(())
            })
        };
        let carrying = tokio::spawn(with_pulse(carrier));
        for sent in 1..=10 {
            sender.send(()).expect("it is carried");
            sleep(PULSE / 5).await;
            assert_eq!(arrived.load(Ordering::Relaxed), sent);
        }
        let before = polls.load(Ordering::Relaxed);
        sleep(PULSE * 2).await;
        let since = polls.load(Ordering::Relaxed);
        assert!(since > before, "the timer has gone off");
        sleep(PULSE * 1_000).await;
        assert_eq!(polls.load(Ordering::Relaxed), since, "nothing was carried, and it was woken");
        sender.send(()).expect("it is carried again");
        drop(sender);
        carrying.await.expect("it ends with what it carries");
        assert_eq!(arrived.load(Ordering::Relaxed), 11);
    }
}
