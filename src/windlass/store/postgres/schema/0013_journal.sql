-- What was edited since a look is what newer transactions wrote: few entries, however many wait to be sent.
CREATE INDEX windlass_journal_by_birth ON windlass_journal (resource, born);
