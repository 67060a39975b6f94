//! Counts what the program allocates, and how much of it is there still.

// An allocator cannot be written without.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ops::Sub;

/// The system's allocator, with counters for each thread: they cost next to nothing.
pub struct Counting;

/// What a thread has allocated so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// How often memory was asked for; asking for more of the same counts too.
    pub allocations: u64,
    /// Bytes asked for.
    pub bytes: u64,
    /// Bytes given back.
    pub freed: u64,
}

thread_local! {
    // Neither made when first used nor dropped in the end: the allocator may always reach it.
    static COUNTS: Cell<Counts> = const { Cell::new(Counts { allocations: 0, bytes: 0, freed: 0 }) };
}

impl Counts {
    /// The counters as they are.
    pub fn now() -> Self {
        COUNTS.get()
    }

    /// Bytes that are there still.
    pub fn live(self) -> u64 {
        self.bytes.saturating_sub(self.freed)
    }
}

impl Sub for Counts {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            allocations: self.allocations - earlier.allocations,
            bytes: self.bytes - earlier.bytes,
            freed: self.freed - earlier.freed,
        }
    }
}

fn count(allocations: u64, bytes: usize, freed: usize) {
    let mut counts = COUNTS.get();
    counts.allocations += allocations;
    counts.bytes += bytes as u64;
    counts.freed += freed as u64;
    COUNTS.set(counts);
}

// SAFETY: every call is handed on to the system's allocator as it came; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size(), 0);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size(), 0);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(0, 0, layout.size());
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let was = layout.size();
        count(1, size.saturating_sub(was), was.saturating_sub(size));
        unsafe { System.realloc(memory, layout, size) }
    }
}
