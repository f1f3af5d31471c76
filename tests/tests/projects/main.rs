//! Projects as agents come to work in them: many sessions that are switched at random, and the clients that people use
//! in real git checkouts.

mod agent;
mod caller;
mod dice;
mod ground;
mod history;
mod unhurried;
mod workshop;

mod choosing;
mod disk;
mod events;
mod racing;
mod together;
mod worktrees;
