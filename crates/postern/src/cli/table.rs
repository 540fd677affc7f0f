//! Columns for people. eksctl's tables are padded with tabs, ours with spaces.

/// Columns padded with tabs to stops of eight, with at least one column between: what Go's `text/tabwriter` makes of
/// eksctl's tables. Every row has as many cells as the first.
pub fn tabs(rows: &[Vec<String>]) -> String {
    const STOP: usize = 8;
    let widths = widths(rows).into_iter().map(|it| (it + 1).div_ceil(STOP) * STOP).collect::<Vec<_>>();
    render(rows, |at, cell| "\t".repeat((widths[at] - cell.chars().count()).div_ceil(STOP)))
}

/// Columns padded with spaces, two between.
pub fn spaces(rows: &[Vec<String>]) -> String {
    let widths = widths(rows);
    render(rows, |at, cell| " ".repeat(widths[at] + 2 - cell.chars().count()))
}

/// A row of cells.
pub fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

fn widths(rows: &[Vec<String>]) -> Vec<usize> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |at: usize| rows.iter().filter_map(|it| it.get(at)).map(|it| it.chars().count()).max();
    (0..columns).map(|at| width(at).unwrap_or_default()).collect()
}

/// The last cell of a row is not padded, nor are cells before nothing but empty ones of our own tables.
fn render(rows: &[Vec<String>], padding: impl Fn(usize, &str) -> String) -> String {
    let mut text = String::new();
    for row in rows {
        for (at, cell) in row.iter().enumerate() {
            text.push_str(cell);
            if at + 1 < row.len() {
                text.push_str(&padding(at, cell));
            }
        }
        let kept = text.trim_end_matches(' ').len();
        text.truncate(kept);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eksctl_tables_use_tab_stops() {
        let rows = [row(["NAME", "REGION", "EKSCTL CREATED"]), row(["myeks", "ap-northeast-2", "True"])];
        assert_eq!(tabs(&rows), "NAME\tREGION\t\tEKSCTL CREATED\nmyeks\tap-northeast-2\tTrue\n");
    }

    #[test]
    fn a_cell_as_wide_as_its_stop_does_not_touch_the_next() {
        let rows = [row(["NAME", "X"]), row(["eightlet", "y"])];
        assert_eq!(tabs(&rows), "NAME\t\tX\neightlet\ty\n");
    }

    #[test]
    fn our_tables_use_spaces_and_end_without_them() {
        assert_eq!(spaces(&[row(["A", "BB", "C"]), row(["aaa", "b", ""])]), "A    BB  C\naaa  b\n");
    }
}
