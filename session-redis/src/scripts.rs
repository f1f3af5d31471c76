//! What is done on the server, each in one step.

use std::sync::LazyLock;

use redis::Script;

macro_rules! script {
    ($($file:literal),+) => {
        LazyLock::new(|| Script::new(concat!(include_str!("scripts/prelude.lua"), $(include_str!($file)),+)))
    };
}

pub(crate) static CREATE: LazyLock<Script> = script!("scripts/create.lua");
pub(crate) static LOAD: LazyLock<Script> = script!("scripts/load.lua");
pub(crate) static UPDATE: LazyLock<Script> = script!("scripts/update.lua");
pub(crate) static DELETE: LazyLock<Script> = script!("scripts/delete.lua");
pub(crate) static END: LazyLock<Script> = script!("scripts/end.lua");

pub(crate) static APPEND: LazyLock<Script> = script!("scripts/feeds.lua", "scripts/append.lua");
pub(crate) static LOOK: LazyLock<Script> = script!("scripts/feeds.lua", "scripts/look.lua");
pub(crate) static FORGET: LazyLock<Script> = script!("scripts/feeds.lua", "scripts/forget.lua");
