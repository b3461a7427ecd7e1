//! What a program switches on once: null tracking, the autofree context, leak
//! reports at exit.

use crate::header::Chunk;
use crate::root::{self, AUTOFREE, NULL_CONTEXT};
use crate::text::Out;
use crate::{alloc, fault, free, report, report_env, steal};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

/// Makes the null context, if there is none; a new one may take the autofree
/// context under it, unless that has a parent.
pub fn enable_null_tracking(move_autofree: bool) {
    if NULL_CONTEXT.get().is_some() {
        return;
    }
    root::survive_forks();
    let null = alloc::new(None, 0, c"null_context".as_ptr(), 0);
    NULL_CONTEXT.set(null);
    if let Some(autofree) = AUTOFREE.get().filter(|_| move_autofree) {
        steal::reparent(None, null, autofree);
    }
}

/// Gives every top-level chunk back to itself and drops the null context.
pub fn disable_null_tracking() {
    let Some(null) = NULL_CONTEXT.get() else {
        return;
    };
    {
        // Other threads may free or move what is in the list.
        let _still = root::keep_still(null);
        while let Some(c) = null.child() {
            if !steal::first_to_none(null, c) {
                break;
            }
        }
        NULL_CONTEXT.set(None);
    }
    // It may be held, or have been given a parent: let it go the usual way.
    free::chunk(null, c"talloc_disable_null_tracking".as_ptr());
}

/// The context that goes at exit; made on demand.
pub fn autofree_context() -> Option<Chunk> {
    if AUTOFREE.get().is_none() {
        AUTOFREE.set(alloc::new(None, 0, c"autofree_context".as_ptr(), 0));
        end_well();
    }
    AUTOFREE.get()
}

/// What is reported at exit; a full report wins.
static LEAK_REPORT: AtomicU32 = AtomicU32::new(NO_REPORT);
pub const NO_REPORT: u32 = 0;
pub const SHORT_REPORT: u32 = 1;
pub const FULL_REPORT: u32 = 2;

/// Reports what is left under the null context when the process ends.
pub fn enable_leak_report(full: bool) {
    enable_null_tracking(true);
    let wanted = if full { FULL_REPORT } else { SHORT_REPORT };
    LEAK_REPORT.fetch_max(wanted, Relaxed);
    end_well();
}

/// Has the process do the rest at its end. There is one handler for all of it: its
/// place among those of the program is that of whatever was asked for first, and what
/// is asked for later changes nothing about that.
fn end_well() {
    static AT_EXIT: AtomicBool = AtomicBool::new(false);
    if !AT_EXIT.swap(true, Relaxed) {
        // SAFETY: a function of this library; glibc runs it at dlclose or exit,
        // whichever comes first.
        unsafe { libc::atexit(at_end) };
    }
}

extern "C" fn at_end() {
    free_autofree();
    report_leaks();
}

/// Once: if it then stays because of a reference, it stays. One that a destructor asks
/// for meanwhile belongs to nobody, and is a leak.
fn free_autofree() {
    if let Some(c) = AUTOFREE.get() {
        AUTOFREE.set(None);
        free::chunk(c, c"talloc_autofree_context".as_ptr());
        AUTOFREE.set(None);
    }
}

fn report_leaks() {
    if has_own_report() {
        // One report on stderr is for both who want one.
        let wanted = LEAK_REPORT.load(Relaxed);
        let wanted = wanted.max(report_env::wanted_on_stderr());
        // SAFETY: stderr is a stream for the life of the process.
        report(wanted, Out::Stream(unsafe { fault::stderr }));
    }
}

/// Has the program asked for a report itself?
pub fn has_own_report() -> bool {
    LEAK_REPORT.load(Relaxed) != NO_REPORT
}

/// Reports what is left under the null context, if that is anything.
pub fn report(wanted: u32, out: Out) {
    let max_depth = if wanted == FULL_REPORT { -1 } else { 1 };
    let Some(null) = NULL_CONTEXT.get() else {
        return;
    };
    if report::totals(null).size != 0 {
        // SAFETY: a stream, if it is one, says the caller.
        unsafe { report::print_to(null, 0, max_depth, out) };
    }
}
