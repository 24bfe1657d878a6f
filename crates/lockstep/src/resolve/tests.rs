//! Whole command lines: what they become.
