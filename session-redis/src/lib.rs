//! session-redis
