// The present time as the server has it: a browser whose clock is wrong still shows true ages.
import { signal } from "@preact/signals";
import { session } from "./client.ts";

/** Milliseconds since the epoch; moves once a second while the page is seen. */
export const now = signal(Date.now());
let skew_ms = 0;

session.subscribe((told) => {
  if (told) skew_ms = Date.parse(told.clock) - Date.now();
});
window.setInterval(() => {
  if (document.visibilityState === "visible") now.value = Date.now() + skew_ms;
}, 1_000);
