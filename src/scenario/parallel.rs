//! Many pieces of work that know nothing of each other, on all cores.

use std::num::NonZero;
use std::sync::Mutex;

/// What a thread may have on its stack, as the first has it.
const STACK: usize = 8 << 20;

/// Does the same with each of many items, on as many threads as there are cores; the answers are in the order
/// of the items, whichever was done first.
///
/// # Panics
/// When `f` does.
pub fn on_all_cores<T: Send, R: Send>(
    items: impl Iterator<Item = T> + Send,
    f: impl Fn(T) -> R + Sync,
) -> Vec<R> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let left = Mutex::new(items.enumerate());
    let work = || {
        let mut done = Vec::new();
        loop {
            let next = left.lock().expect("no thread panics while it holds this").next();
            let Some((place, item)) = next else { return done };
            done.push((place, f(item)));
        }
    };
    let mut done: Vec<(usize, R)> = std::thread::scope(|scope| {
        let thread = || std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, &work);
        let threads: Vec<_> = (1..cores).filter_map(|_| thread().ok()).collect();
        let mine = work();
        let theirs = threads.into_iter().flat_map(|t| t.join().expect("the work does not panic"));
        theirs.chain(mine).collect()
    });
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_in_the_order_of_the_items() {
        let squares = on_all_cores(0..1000_u64, |n| n * n);
        assert_eq!(squares, (0..1000).map(|n| n * n).collect::<Vec<_>>());
        assert_eq!(on_all_cores(std::iter::empty::<u8>(), |n| n), Vec::<u8>::new());
    }
}
