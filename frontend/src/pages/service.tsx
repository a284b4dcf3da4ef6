// The background service: whether it runs, start, stop, restart, and the end of its log.
import type { JSX } from "preact";
import type { ServiceState } from "../api.ts";
import { act, confirm } from "../core/act.ts";
import { post } from "../core/client.ts";
import { duration, number } from "../core/format.ts";
import { useLoad } from "../core/load.ts";
import { Badge, Button, Callout, Fact, Facts, LinkButton, Section } from "../ui/basics.tsx";
import { Raw } from "../ui/code.tsx";
import type { Mark } from "../ui/icon.tsx";
import { Loaded, Page } from "../ui/page.tsx";

const TOLD: Record<ServiceState["state"], [Mark, string]> = {
  stopped: ["cancelled", "No service runs: jobs wait."],
  starting: ["running", "It starts."],
  ready: ["completed", "It runs jobs."],
  waiting: ["retrying", "Its last dispatchers died young, so the next one is held back for a while."],
  replacing: ["running", "Its dispatcher is being replaced."],
  stopping: ["retrying", "It stops: running jobs may end first."],
  broken: ["failed", "The program cannot be loaded; it is tried again when a file changes."],
  unknown: ["warning", "It runs, and does not say how it is."],
};

export function ServicePage(): JSX.Element {
  const load = useLoad<ServiceState>("api/service");
  return (
    <Page title="Service" commands={load.data?.commands} actions={load.data && <Controls data={load.data} />}>
      <Loaded load={load}>{(data) => <State data={data} />}</Loaded>
    </Page>
  );
}

function Controls({ data }: { data: ServiceState }): JSX.Element {
  const stop = async (): Promise<void> => {
    const grace = data.grace_s === null ? "" : ` Running jobs get ${duration(data.grace_s * 1000)} to end; what is left then goes back, and counts no attempt.`;
    const sure = await confirm({ title: "Stop the service?", text: `No job is started any more.${grace}`, action: "Stop", danger: true });
    if (sure) await act(() => post("api/service/stop"), "The service is asked to stop");
  };
  if (!data.running) {
    return <Button action kind="primary" icon="run" disabled={!data.can_start} onClick={() => act(() => post("api/service/start"), "The service runs")}>Start</Button>;
  }
  return (
    <>
      <Button action icon="retry" onClick={() => act(() => post("api/service/restart"), "The service is restarted")}>Restart</Button>
      <Button action kind="danger" icon="service" onClick={stop}>Stop</Button>
    </>
  );
}

function State({ data }: { data: ServiceState }): JSX.Element {
  const [mark, words] = TOLD[data.state];
  return (
    <>
      {data.last_error && <Callout kind="danger" title="Its last start failed"><p class="mono">{data.last_error}</p></Callout>}
      {!data.running && data.why_not && <Callout kind="note" title="It cannot be started from here"><p>{data.why_not}</p></Callout>}
      <div class="panel is-padded service-state">
        <p class="state-line"><Badge state={mark}>{data.state}</Badge> <span>{words}</span></p>
        {data.running && (
          <Facts>
            <Fact name="Supervisor">{data.pid === null ? "unknown" : `process ${data.pid}`}</Fact>
            <Fact name="Dispatcher">{data.dispatcher === null ? "none now" : `process ${data.dispatcher}`}</Fact>
            <Fact name="Restarts">{number(data.restarts)}</Fact>
            <Fact name="Grace">{data.grace_s === null ? null : `${duration(data.grace_s * 1000)} at a stop`}</Fact>
          </Facts>
        )}
        {data.running && <p><LinkButton href="workers" icon="workers">Its processes</LinkButton></p>}
      </div>
      <Section title="Log" aside={data.log && <span class="mono dim cut log-path" title={data.log}>{data.log}</span>}>
        {data.log_tail.length === 0 ? <p class="dim">Nothing was logged by a service in the background.</p> : <Raw text={data.log_tail.join("\n")} label="the end of the log" />}
      </Section>
    </>
  );
}
