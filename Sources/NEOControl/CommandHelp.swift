extension Command {
    /// What `neoctl` prints without a command (`spec/tools.md §9.1`).
    static let helpText = """
        Available commands:
          print
            ids
              Print the last TID, OID and PTID of the database.
            pt [min [max [node]]]
              Print the partition table: a drawing of all of it, or the rows from
              min to max (excluded; 0: the end), or only those of a node.
            node [type]
              Print the nodes, or those of a type (master, storage, client, admin).
            cluster
              Print the state of the cluster.
            primary
              Print the primary master.
            summary
              Print a summary of the cluster and of its monitored backup clusters.
          set
            cluster state
              Change the state of the cluster: VERIFYING (start), STARTING_BACKUP,
              STOPPING_BACKUP or STOPPING.
            replicas nr
              Set the number of replicas. The next `tweak` applies it.
          check [[partition]:[node]] ... [min_tid [max_tid]]
            Compare the replicas of partitions, each with the reference node given
            if any; `:` means all of them. The result is in the logs.
          start
            Start a cluster that waits in RECOVERING.
          add all | node...
            Add pending storage nodes to the cluster.
          tweak [-n] [node...]
            Balance the partition table, moving cells out of the nodes listed.
            With -n, only show what would be done.
          drop node
            Remove a storage node that is down, or pending, for good.
          kill node
            Stop a storage node or a secondary master.
          prune_orphan dry_run all | node...
            Delete the data that nothing refers to on storage nodes; with dry_run
            1, only report it in the logs.
          truncate tid
            Delete all the transactions after tid. It can not be undone.
          flush_log
            Have all the nodes write their logs to disk.

        A TID is `tid:N`, where N is an integer (decimal, 0x.., 0o.. or 0b..), or a
        number of seconds since 1970-01-01 00:00:00 UTC, possibly with a fraction.
        """
}
