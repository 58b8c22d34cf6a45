//! Lists of tools that were read before. Most are those of one server, which one user after the other asks for.

use std::sync::Arc;

use lru::LruCache;
use parking_lot::Mutex;

use crate::error::Error;
use crate::settings::ToolsListBudget;
use crate::tools::RawTools;

/// Bytes of all pages that a runtime remembers, and of the longest. The lists that were read from them take as much again.
const CAPACITY: usize = 4 * 1024 * 1024;
const LONGEST: usize = 256 * 1024;

/// Complete lists of one page, by its text: whoever is given one was sent the same. Cheap to clone.
#[derive(Clone, Default)]
pub struct KnownLists(Arc<Mutex<Kept>>);

struct Kept {
    lists: LruCache<Box<str>, Known>,
    /// Of the pages.
    bytes: usize,
}

/// What such a page was read as.
#[derive(Clone)]
pub(super) struct KnownList {
    pub tools: Arc<RawTools>,
    pub left_out: Option<Error>,
}

struct Known {
    list: KnownList,
    /// What it was read within.
    budget: ToolsListBudget,
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            lists: LruCache::unbounded(),
            bytes: 0,
        }
    }
}

impl KnownLists {
    /// Whether a page is short enough to be kept.
    pub(super) const fn takes(page: &str) -> bool {
        page.len() <= LONGEST
    }

    pub(super) fn find(&self, page: &str, budget: &ToolsListBudget) -> Option<KnownList> {
        if !Self::takes(page) {
            return None;
        }
        let mut kept = self.0.lock();
        let known = kept.lists.get(page)?;
        (known.budget == *budget).then(|| known.list.clone())
    }

    pub(super) fn keep(&self, page: Box<str>, list: KnownList, budget: ToolsListBudget) {
        let mut kept = self.0.lock();
        kept.bytes += page.len();
        if let Some((before, _)) = kept.lists.push(page, Known { list, budget }) {
            kept.bytes -= before.len();
        }
        while kept.bytes > CAPACITY
            && let Some((oldest, _)) = kept.lists.pop_lru()
        {
            kept.bytes -= oldest.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> KnownList {
        KnownList {
            tools: Arc::new(RawTools::default()),
            left_out: None,
        }
    }

    #[test]
    fn a_list_is_found_by_its_page_within_its_budget() {
        let (lists, budget) = (KnownLists::default(), ToolsListBudget::default());
        let first = list();
        lists.keep("page".into(), first.clone(), budget.clone());
        let found = lists.find("page", &budget).expect("it is kept");
        assert!(Arc::ptr_eq(&found.tools, &first.tools));
        assert!(lists.find("another", &budget).is_none());
        let other = ToolsListBudget {
            max_tools: 1,
            ..budget.clone()
        };
        assert!(lists.find("page", &other).is_none());
        lists.keep("page".into(), list(), other.clone());
        assert!(lists.find("page", &other).is_some());
        assert_eq!(lists.0.lock().bytes, "page".len());
    }

    #[test]
    fn the_oldest_make_room() {
        let (lists, budget) = (KnownLists::default(), ToolsListBudget::default());
        let page = |name: usize| {
            let name = name.to_string();
            name.clone() + &"x".repeat(LONGEST - name.len())
        };
        let count = CAPACITY / LONGEST + 1;
        for name in 0..count {
            lists.keep(page(name).into(), list(), budget.clone());
        }
        assert!(lists.find(&page(0), &budget).is_none());
        assert!((1..count).all(|name| lists.find(&page(name), &budget).is_some()));
        assert_eq!(lists.0.lock().bytes, CAPACITY);
        assert!(!KnownLists::takes(&"x".repeat(LONGEST + 1)));
    }
}
