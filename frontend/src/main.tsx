import { render } from "preact";
import { loadSession } from "./core/client.ts";
import { listenToKeys } from "./core/keys.ts";
import { connectWhileSeen } from "./core/live.ts";
import { followLinks } from "./core/router.ts";
import { Shell } from "./shell.tsx";

followLinks();
listenToKeys();
render(<Shell />, document.getElementById("app")!);
loadSession().then(connectWhileSeen, () => {
  // Refused: the page says how to get in. Away: it comes back as soon as the stream does.
  connectWhileSeen();
});
