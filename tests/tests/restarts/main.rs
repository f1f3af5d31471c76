//! Replicas that end and begin again behind the balancers of `deploy/`, while clients go on.

mod counting;
mod draining;
mod fleet;
mod killing;
mod peer;
mod rolling;
mod stream;
