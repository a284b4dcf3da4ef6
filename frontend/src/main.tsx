import { effect } from "@preact/signals";
import { render } from "preact";
import { loadSession, session } from "./core/client.ts";
import { listenToKeys } from "./core/keys.ts";
import { connection, connectWhileSeen } from "./core/live.ts";
import { followLinks } from "./core/router.ts";
import { Shell } from "./shell.tsx";

followLinks();
listenToKeys();
render(<Shell />, document.getElementById("app")!);
connectWhileSeen();
// Refused: the page says how to get in. Away: it is asked again when the stream comes back.
const begin = (): void => void loadSession().catch(() => undefined);
begin();
effect(() => {
  if (connection.value === "live" && session.peek() === undefined) begin();
});
