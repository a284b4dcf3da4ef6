// Dialogs: the browser's own, which keeps the focus inside, closes by Escape and gives the focus back.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { asked } from "../core/act.ts";
import { Button } from "./basics.tsx";

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  /** Buttons; the last one is what the dialog is for. */
  actions?: ComponentChildren;
  wide?: boolean;
}

/** Shown for as long as it is rendered. */
export function Dialog({ title, onClose, children, actions, wide }: DialogProps): JSX.Element {
  const id = useId();
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    box.current?.showModal();
    // Where one begins: the first field, or else the first button of the foot, which changes nothing.
    box.current?.querySelector<HTMLElement>(".dialog-body > :not(header) :is(input, textarea, select, button)")?.focus();
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={box}
      class={`dialog${wide ? " is-wide" : ""}`}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => event.target === box.current && onClose()}
    >
      <div class="dialog-body">
        <header>
          <h2 id={id}>{title}</h2>
          <Button kind="quiet" icon="close" label="Close" small onClick={onClose} />
        </header>
        {children}
        {actions && <footer class="actions">{actions}</footer>}
      </div>
    </dialog>
  );
}

/** Asks what `confirm()` wants to know. */
export function Confirm(): JSX.Element | null {
  const question = asked.value;
  if (!question) return null;
  return (
    <Dialog
      title={question.title}
      onClose={() => question.answer(false)}
      actions={
        <>
          <Button onClick={() => question.answer(false)}>Keep it as it is</Button>
          <Button kind={question.danger ? "danger" : "primary"} onClick={() => question.answer(true)}>{question.action}</Button>
        </>
      }
    >
      <p>{question.text}</p>
    </Dialog>
  );
}
