//! The example `everything` as clients of both eras see it.
