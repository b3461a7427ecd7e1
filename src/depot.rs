//! The depot of a thread: halves of full magazines, by class.
//!
//! A half is a *load*.  Loads lie on shelves from the kernel, whose pages are touched as they
//! are used; a shelf on which nothing lies goes, but the last one.

use crate::size_class::CLASSES;
use crate::sysmem;
use core::ptr::null_mut;

/// How many blocks a load has.
pub const HALF: usize = 31;

type Block = *mut u8;

/// Half a magazine.
#[repr(C)]
pub struct Load {
    next: *mut Load,
    blocks: [Block; HALF],
}

/// Loads come in shelves of so many bytes, aligned to that.
const SHELF: usize = 64 * 1024;

#[repr(C)]
struct Shelf {
    /// Loads in use.
    used: usize,
    /// Loads that have ever been used.
    begun: usize,
}

/// What lies on a shelf, in whose first place it is itself.
const ON_SHELF: usize = SHELF / size_of::<Load>() - 1;

/// All zeros at first.
#[repr(C)]
pub struct Depot {
    /// The newest load of each class.
    pub newest: [*mut Load; CLASSES],
    /// How many it has.
    pub loads: [u32; CLASSES],
    free: *mut Load,
    /// The newest shelf, if it has loads that were never used.
    shelf: *mut Shelf,
    shelves: usize,
}

impl Depot {
    /// How many loads a class has.
    #[inline(always)]
    pub fn loads(&self, class: usize) -> usize {
        debug_assert!(class < CLASSES);
        // SAFETY: a class.
        unsafe { *self.loads.get_unchecked(class) as usize }
    }

    fn newest(&mut self, class: usize) -> &mut *mut Load {
        debug_assert!(class < CLASSES);
        // SAFETY: a class.
        unsafe { self.newest.get_unchecked_mut(class) }
    }

    fn count(&mut self, class: usize) -> &mut u32 {
        debug_assert!(class < CLASSES);
        // SAFETY: a class.
        unsafe { self.loads.get_unchecked_mut(class) }
    }

    /// Keeps a copy of so many blocks; false without memory.
    ///
    /// # Safety
    /// There are as many.
    pub unsafe fn keep(&mut self, class: usize, blocks: *const Block) -> bool {
        let Some(load) = self.free_load() else {
            return false;
        };
        // SAFETY: a load that nobody uses; the blocks are the caller's promise.
        unsafe {
            (&raw mut (*load).blocks).copy_from_nonoverlapping(blocks.cast(), 1);
            (*load).next = *self.newest(class);
        }
        *self.newest(class) = load;
        *self.count(class) += 1;
        true
    }

    /// The blocks of the newest load of a class that has one; it is not kept any more.
    pub fn take(&mut self, class: usize) -> [Block; HALF] {
        let load = *self.newest(class);
        // SAFETY: a load of ours; shelves are aligned to their size.
        unsafe {
            let Load { next, blocks } = load.read();
            *self.newest(class) = next;
            *self.count(class) -= 1;
            let shelf = shelf_of(load);
            (*load).next = self.free;
            self.free = load;
            (*shelf).used -= 1;
            if (*shelf).used == 0 && self.shelves > 1 {
                self.drop_shelf(shelf);
            }
            blocks
        }
    }

    /// Gives the last shelf back: no class has a load.
    pub fn end(&mut self) {
        if !self.free.is_null() {
            // SAFETY: the last shelf, since no load is in use.
            unsafe { self.drop_shelf(shelf_of(self.free)) };
        }
    }

    /// A shelf on which nothing lies goes, with all its free loads.
    ///
    /// # Safety
    /// It is one of ours.
    unsafe fn drop_shelf(&mut self, shelf: *mut Shelf) {
        // SAFETY: the caller's promise; free loads lie on shelves of ours.
        unsafe {
            let mut at = &raw mut self.free;
            while !(*at).is_null() {
                if shelf_of(*at) == shelf {
                    *at = (**at).next;
                } else {
                    at = &raw mut (**at).next;
                }
            }
            if self.shelf == shelf {
                self.shelf = null_mut();
            }
            self.shelves -= 1;
            sysmem::unmap(shelf.cast(), SHELF);
        }
    }

    fn free_load(&mut self) -> Option<*mut Load> {
        let load = self.free;
        // SAFETY: loads on shelves of ours, which are aligned to their size: one that is free,
        // or the next of the newest shelf.
        unsafe {
            if !load.is_null() {
                self.free = (*load).next;
                (*shelf_of(load)).used += 1;
                return Some(load);
            }
            if self.shelf.is_null() {
                self.shelf = new_shelf()?;
                self.shelves += 1;
            }
            let shelf = self.shelf;
            (*shelf).used += 1;
            (*shelf).begun += 1;
            let load = shelf.cast::<Load>().add((*shelf).begun);
            if (*shelf).begun == ON_SHELF {
                self.shelf = null_mut();
            }
            Some(load)
        }
    }
}

/// The shelf on which a load lies.
fn shelf_of(load: *mut Load) -> *mut Shelf {
    load.map_addr(|at| at & !(SHELF - 1)).cast()
}

/// An empty shelf, whose pages are touched as loads are used.
fn new_shelf() -> Option<*mut Shelf> {
    let twice = sysmem::pages(2 * SHELF)?.as_ptr();
    let shelf = twice.map_addr(|at| (at + SHELF - 1) & !(SHELF - 1));
    let before = shelf.addr() - twice.addr();
    // SAFETY: the parts of a fresh mapping that are not the aligned one.
    unsafe {
        if before != 0 {
            sysmem::unmap(twice, before);
        }
        sysmem::unmap(shelf.add(SHELF), SHELF - before);
    }
    Some(shelf.cast())
}
