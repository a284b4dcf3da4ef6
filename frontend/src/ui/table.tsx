// Tables. On a phone a row becomes a card: the first column is its head, the others are named lines below.
import type { ComponentChildren, JSX } from "preact";

export interface Column<Row> {
  title: string;
  cell: (row: Row) => ComponentChildren;
  /** Numbers stand at the end. */
  align?: "end";
  /** Takes what room is left, and cuts what does not fit. */
  grow?: boolean;
  /** Where there is little room it is left out. */
  hide?: "phone";
  /** For those who do not see: the title is there, but not shown. */
  quiet?: boolean;
}

interface TableProps<Row> {
  /** What it is a table of. */
  caption: string;
  rows: readonly Row[];
  columns: Column<Row>[];
  rowKey: (row: Row) => string | number;
  /** Where a row leads: its first cell becomes the link, and the whole row follows it. */
  href?: (row: Row) => string | undefined;
  rowClass?: (row: Row) => string | undefined;
  /** Stays a table on a phone, of the columns that are not hidden there. */
  dense?: boolean;
}

export function Table<Row>({ caption, rows, columns, rowKey, href, rowClass, dense }: TableProps<Row>): JSX.Element {
  const classOf = (column: Column<Row>): string =>
    [column.align === "end" && "end", column.grow && "grow", column.hide && `hide-${column.hide}`].filter(Boolean).join(" ");
  return (
    <table class={dense ? "table is-dense" : "table is-cards"} role="table">
      <caption class="unseen">{caption}</caption>
      <thead role="rowgroup">
        <tr role="row">
          {columns.map((column) => (
            <th key={column.title} class={classOf(column)} scope="col" role="columnheader">
              {column.quiet ? <span class="unseen">{column.title}</span> : column.title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map((row) => {
          const target = href?.(row);
          return (
            <tr key={rowKey(row)} role="row" data-row={rowKey(row)} class={`${target ? "leads" : ""} ${rowClass?.(row) ?? ""}`}>
              {columns.map((column, index) => (
                <td key={column.title} role="cell" class={classOf(column)} data-label={column.quiet ? undefined : column.title}>
                  {index === 0 && target ? <a href={target} data-open>{column.cell(row)}</a> : column.cell(row)}
                </td>
              ))}
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
