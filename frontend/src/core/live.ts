// The live connection: one stream that says "something changed", after which pages ask for what they show.
//
// The browser reconnects by itself with Last-Event-ID while the server is merely away; a refusal ends its stream for
// good, and then a new one is opened here. Whatever was missed in between is made good by one look after each opening.
import { signal } from "@preact/signals";

export type Connection = "connecting" | "live" | "lost";
export const connection = signal<Connection>("connecting");
/** Counts what there was to hear: whoever shows something reads it and asks again when it moves. */
export const heard = signal(0);

const HIDDEN_FOR_MS = 30_000;
let source: EventSource | undefined;
let again: number | undefined;
let delay_ms = 500;

/** After an action of this page, so that it does not wait for the round through the database. */
export function lookAgain(): void {
  heard.value += 1;
}

export function connect(): void {
  window.clearTimeout(again);
  source?.close();
  source = new EventSource("api/events");
  source.onopen = () => {
    delay_ms = 500;
    connection.value = "live";
    lookAgain();
  };
  source.addEventListener("changed", lookAgain);
  source.onerror = () => {
    connection.value = "lost";
    if (source?.readyState !== EventSource.CLOSED) return;
    again = window.setTimeout(connect, delay_ms);
    delay_ms = Math.min(delay_ms * 2, 8_000);
  };
}

/** A page nobody sees lets go of its connection: browsers have six for one server, and people have many tabs. */
export function connectWhileSeen(): void {
  let leaving: number | undefined;
  document.addEventListener("visibilitychange", () => {
    window.clearTimeout(leaving);
    if (document.visibilityState === "hidden") {
      leaving = window.setTimeout(() => {
        window.clearTimeout(again);
        source?.close();
        source = undefined;
      }, HIDDEN_FOR_MS);
    } else if (source === undefined) {
      connect();
    }
  });
  window.addEventListener("online", connect);
  connect();
}
