//! The program's own file in this process's memory, and letting go of what is not needed any more.
//!
//! What happens once (reading the spec, starting a program, a node's handshake) touches pages all over a large binary,
//! and the kernel maps their neighbours, too. What was written to, such as the tables that the loader relocates, stays:
//! to have less of that is the linker's business.
#![expect(
    unsafe_code,
    reason = "no safe crate tells where the program's segments lie, nor gives their pages back"
)]

use std::{ffi::c_void, ops::Range};

/// Unmaps all pages of the program's code and constants. Those that are used again come back from the page cache.
pub(crate) fn let_go_of_pages() {
    for segment in segments() {
        // SAFETY: these are pages of a private mapping of the program's file that nothing can have written to: they
        // are read from the same file again when they are touched, code that runs just now included. The file is
        // replaced by a rename, never written over.
        unsafe { libc::madvise(segment.start as *mut c_void, segment.len(), libc::MADV_DONTNEED) };
        // If that fails they stay, which costs memory only.
    }
}

/// Whole pages of the program that nothing writes to.
fn segments() -> Vec<Range<usize>> {
    let mut segments = Vec::new();
    // SAFETY: the callback gets a record that is valid during the call, and the list, which outlives it.
    unsafe { libc::dl_iterate_phdr(Some(read_only_segments), (&raw mut segments).cast()) };
    segments
}

/// Puts the whole pages of the segments without a right to write into the list, for the program itself (which comes
/// first), not for its libraries.
unsafe extern "C" fn read_only_segments(
    object: *mut libc::dl_phdr_info,
    _size: libc::size_t,
    segments: *mut c_void,
) -> libc::c_int {
    // SAFETY: the C library passes a whole record, whose list of headers is as long as it says; the last argument is
    // what was handed to it above.
    let (object, headers, segments) = unsafe {
        let object = &*object;
        let headers = std::slice::from_raw_parts(object.dlpi_phdr, usize::from(object.dlpi_phnum));
        (object, headers, &mut *segments.cast::<Vec<Range<usize>>>())
    };
    // SAFETY: takes no pointers.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(1 << 16);
    for header in headers {
        if header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_W == 0 {
            let begin = (object.dlpi_addr as usize).wrapping_add(header.p_vaddr as usize);
            let end = begin.saturating_add(header.p_memsz as usize);
            let pages = begin.next_multiple_of(page)..end / page * page;
            if !pages.is_empty() {
                segments.push(pages);
            }
        }
    }
    // No further objects.
    1
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    static WRITTEN: AtomicUsize = AtomicUsize::new(1);
    static RELOCATED: &[&str] = &["a", "b"];

    #[test]
    fn code_and_constants_are_let_go_of_and_come_back() {
        let segments = segments();
        let is_let_go = |address: usize| segments.iter().any(|pages| pages.contains(&address));
        assert!(is_let_go(let_go_of_pages as *const () as usize), "code");
        assert!(is_let_go(RELOCATED[0].as_ptr().addr()), "constants");
        assert!(
            !is_let_go((&raw const WRITTEN).addr()),
            "what is written to stays"
        );
        assert!(
            !is_let_go(RELOCATED.as_ptr().addr()),
            "what the loader wrote to stays"
        );
        WRITTEN.store(2, Ordering::Relaxed);
        let_go_of_pages();
        assert_eq!(
            (WRITTEN.load(Ordering::Relaxed), RELOCATED.concat()),
            (2, "ab".to_owned())
        );
    }
}
