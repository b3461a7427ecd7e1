//! Says how many functions agree with the header; see build.rs.

mod generated {
    // What ctest2 writes is not for us to mend.
    #![allow(warnings)]

    use core::ffi::{c_char, c_int, c_uint, c_void};

    // ctest2 leaves these names to C. Here, where only addresses are compared,
    // any type would do.
    type FILE = c_void;
    type va_list = *mut c_void;

    include!(concat!(env!("OUT_DIR"), "/program.rs"));

    /// How many functions were compared; panics if one is not that of C.
    pub fn run() -> usize {
        main();
        NTESTS.load(Ordering::SeqCst)
    }
}

fn main() {
    let header = env!("TALLOC_HEADER");
    println!("{} functions compared with {header}", generated::run());
}
