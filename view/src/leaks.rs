//! `leaks`: chunks that are attached, but that nothing leads to any more.
