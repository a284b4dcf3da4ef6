// In how many processes jobs run: a button with the present number, and a dialog that asks for another.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Workers } from "../api.ts";
import { act } from "../core/act.ts";
import { send } from "../core/client.ts";
import { plural } from "../core/format.ts";
import { useLoad } from "../core/load.ts";
import { Button } from "../ui/basics.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Field } from "../ui/form.tsx";

export function isolatesOf(workers: Workers | undefined): number {
  const rows = workers?.workers.filter((worker) => worker.alive && worker.here) ?? [];
  return rows.flatMap((worker) => worker.processes).filter((process) => process.role === "isolate").length;
}

export function ScaleButton(): JSX.Element | null {
  const load = useLoad<Workers>("api/workers");
  const [open, setOpen] = useState(false);
  const present = isolatesOf(load.data);
  if (!present) return null;
  return (
    <>
      <Button action icon="workers" onClick={() => setOpen(true)}>{plural(present, "process", "processes")}</Button>
      {open && <ScaleDialog present={present} onClose={() => setOpen(false)} />}
    </>
  );
}

function ScaleDialog({ present, onClose }: { present: number; onClose: () => void }): JSX.Element {
  const [text, setText] = useState(String(present));
  const save = async (event: Event): Promise<void> => {
    event.preventDefault();
    const isolates = Number(text);
    const done = await act(() => send("PUT", "api/service/isolates", { isolates }), `Jobs run in ${plural(isolates, "process", "processes")} from now on`);
    if (done) onClose();
  };
  return (
    <Dialog
      title="Processes that run jobs"
      onClose={onClose}
      actions={<><Button onClick={onClose}>Cancel</Button><Button kind="primary" action onClick={save}>Scale</Button></>}
    >
      <form class="form" onSubmit={(event) => void save(event)}>
        <Field label="Processes" hint="More begin at once; fewer, as their jobs end. It lasts until the service is started again: then the setting isolates counts.">
          <input type="number" min={1} max={1000} inputMode="numeric" value={text} onInput={(event) => setText(event.currentTarget.value)} />
        </Field>
      </form>
    </Dialog>
  );
}
