//! session-mcp
