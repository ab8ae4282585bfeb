//! Reading a list page by page while it changes.
//!
//! Newcomers push known rows onto the next page, where their numbers are recognised. Rows that leave pull others
//! forward past us. So every page begins a little before the former's end, and a page that does not begin with a
//! row we know is put aside: more rows left than that, and we go back until the pages join again.

use std::collections::HashSet;

use serde::Deserialize;

use crate::wire;

/// The most rows on one page.
pub(crate) const LARGEST_PAGE: u32 = 1000;
/// More pages than any account can have.
const MOST_PAGES: u32 = 500;
/// More octets of answers than the longest list of any account has: a hundred thousand orders have some 150 MiB.
const MOST_OCTETS: usize = 256 << 20;
/// How often we go back before a list counts as one without an order, whose pages never join.
const MOST_STEPS_BACK: u32 = 8;

/// One page as it came.
#[derive(Debug)]
pub(crate) struct Page<T> {
    pub(crate) rows: Vec<Row<T>>,
    pub(crate) paging: Paging,
}

/// One row; without an item if it is of no use or not what was asked for.
#[derive(Debug)]
pub(crate) struct Row<T> {
    pub(crate) id: Option<u64>,
    pub(crate) item: Option<T>,
}

/// `page` of a list, `{total, limit, offset}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Paging {
    #[serde(deserialize_with = "wire::id")]
    total: Option<u64>,
    #[serde(deserialize_with = "wire::id")]
    limit: Option<u64>,
}

impl Paging {
    pub(crate) fn total(&self) -> Option<u32> {
        self.total.and_then(|total| u32::try_from(total).ok())
    }
}

/// What to do after a page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Read on, at [`Pager::offset`].
    More,
    /// That was all.
    Last,
    /// Give up: there is no end to it.
    Endless,
    /// Give up: it is more than can be meant.
    TooMuch,
}

/// Where we are in a list.
#[derive(Debug)]
pub(crate) struct Pager {
    size: u32,
    offset: u32,
    /// How many rows of the former page the next one repeats; none if that page has a single row.
    overlap: u32,
    pages: u32,
    octets: usize,
    steps_back: u32,
    seen: HashSet<u64>,
}

impl Pager {
    pub(crate) fn new(size: u32) -> Self {
        Self { size, offset: 0, overlap: 0, pages: 0, octets: 0, steps_back: 0, seen: HashSet::new() }
    }

    pub(crate) fn offset(&self) -> u32 {
        self.offset
    }

    /// Adds what is new on this page, which came in so many octets, to `found`.
    pub(crate) fn turn<T>(&mut self, page: Page<T>, octets: usize, found: &mut Vec<T>) -> Turn {
        self.pages += 1;
        self.octets = self.octets.saturating_add(octets);
        if self.octets > MOST_OCTETS {
            return Turn::TooMuch;
        }
        let rows = u32::try_from(page.rows.len()).unwrap_or(u32::MAX);
        let end = self.offset.saturating_add(rows);
        let first = page.rows.iter().find_map(|row| row.id);
        let joins =
            self.offset == 0 || self.overlap == 0 || first.is_some_and(|first| self.seen.contains(&first));
        let last = if !joins && self.steps_back < MOST_STEPS_BACK {
            self.steps_back += 1;
            self.offset = self.offset.saturating_sub(self.size);
            false
        } else {
            let last = rows == 0 || self.is_end(end, rows, &page.paging);
            for row in page.rows {
                let is_new = row.id.is_some_and(|id| self.seen.insert(id));
                found.extend(row.item.filter(|_| is_new));
            }
            self.overlap = (rows / 10).max(1).min(rows.saturating_sub(1));
            self.offset = end - self.overlap;
            last
        };
        match last {
            true => Turn::Last,
            false if self.pages >= MOST_PAGES => Turn::Endless,
            false => Turn::More,
        }
    }

    /// Without a total, a page with fewer rows than it could have is the last.
    fn is_end(&self, end: u32, rows: u32, paging: &Paging) -> bool {
        let limit = paging.limit.filter(|&limit| limit > 0).and_then(|limit| u32::try_from(limit).ok());
        let full = limit.map_or(self.size, |limit| limit.min(self.size));
        paging.total().map_or_else(|| rows < full, |total| end >= total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a list of which `before_page` may take or add rows before each page is cut.
    fn read(
        size: u32,
        total: bool,
        mut before_page: impl FnMut(u32, &mut Vec<u64>),
    ) -> (Vec<u64>, u32, Turn) {
        let mut list: Vec<u64> = (1..=100).collect();
        let mut pager = Pager::new(size);
        let mut found = Vec::new();
        loop {
            before_page(pager.pages, &mut list);
            let cut = list.iter().skip(pager.offset() as usize).take(size as usize);
            let rows = cut.map(|&id| Row { id: Some(id), item: Some(id) }).collect();
            let paging = Paging { total: total.then_some(list.len() as u64), limit: None };
            let turn = pager.turn(Page { rows, paging }, 100, &mut found);
            if turn != Turn::More {
                return (found, pager.pages, turn);
            }
        }
    }

    /// Protects discovery: whatever leaves in front of us, everything that stays is found, and once.
    #[test]
    fn rows_that_stay_are_found_whatever_leaves() {
        for total in [true, false] {
            for size in [2, 7, 10, 20, 60, 99, 100, 1000] {
                for leaving in [0, 1, 2, 9, 30, 70] {
                    // The rows that we have read by then leave, all before the second page.
                    let (found, _, turn) = read(size, total, |page, list| {
                        if page == 1 {
                            list.drain(..leaving.min(size as usize).min(list.len()));
                        }
                    });
                    let mut sorted = found.clone();
                    sorted.sort_unstable();
                    assert_eq!(sorted, (1..=100).collect::<Vec<_>>(), "{size} {leaving} {total}");
                    assert_eq!(turn, Turn::Last);
                }
            }
        }
    }

    /// Protects against calls in vain: an unmoved list costs hardly more pages than it has.
    #[test]
    fn a_list_at_rest_costs_few_pages() {
        assert_eq!(read(1000, true, |_, _| {}).1, 1);
        assert_eq!(read(100, true, |_, _| {}).1, 1);
        assert_eq!(read(50, true, |_, _| {}).1, 3);
        assert_eq!(read(1, true, |_, _| {}).1, 100, "pages of one row cannot overlap");
    }

    /// Protects the rate: a list without an order, or without an end, is read within bounds.
    #[test]
    fn a_list_without_order_or_end_is_bounded() {
        let (_, pages, turn) = read(10, true, |_, list| list.rotate_left(37));
        assert!(pages < 30 && turn == Turn::Last, "{pages} {turn:?}");
        let (_, pages, turn) = read(10, false, |page, list| {
            let next = 1000 * u64::from(page + 1);
            list.extend(next..next + 10);
        });
        assert_eq!((pages, turn), (MOST_PAGES, Turn::Endless));
    }

    /// Protects memory: pages that are fat as well as many end the reading, however each of them is within bounds.
    #[test]
    fn a_list_of_fat_pages_is_bounded() {
        let mut pager = Pager::new(10);
        let mut found = Vec::new();
        let mut turn = |page: u64| {
            let rows = (page * 10..page * 10 + 10).map(|id| Row { id: Some(id), item: Some(id) }).collect();
            pager.turn(Page { rows, paging: Paging::default() }, 8 << 20, &mut found)
        };
        let pages = (0..).take_while(|&page| turn(page) == Turn::More).count();
        assert_eq!(pages, 32, "pages of 8 MiB");
        assert!(found.len() <= 320);
    }

    /// Protects against a CA that gives smaller pages than asked for: its own word for the limit counts.
    #[test]
    fn a_smaller_limit_of_the_ca_is_not_the_end() {
        let mut pager = Pager::new(1000);
        let rows = (1..=100).map(|id| Row { id: Some(id), item: Some(id) }).collect();
        let paging = Paging { total: None, limit: Some(100) };
        assert_eq!(pager.turn(Page { rows, paging }, 100, &mut Vec::new()), Turn::More);
        assert_eq!(pager.offset(), 90);
    }
}
