import NEOConfiguration

extension Program {
    private static let connection: [Option] = [
        Option("logfile", "l", .path, inFile: .allowedInOwnSection, "file for the log, instead of the standard error"),
        Option("ca", nil, .path, "certificate authority in PEM format"),
        Option("cert", nil, .path, "certificate in PEM format"),
        Option("key", nil, .path, "private key in PEM format"),
    ]

    private static func node(masters: Option, bind: String) -> [Option] {
        connection + [
            Option("cluster", "c", isRequired: true, "name of the cluster"),
            masters,
            Option(
                "bind",
                "b",
                default: bind,
                inFile: .allowedInOwnSection,
                "address to listen at; it is also told to other nodes"
            ),
            Option("dynamic-master-list", "D", .path, "file that remembers the addresses of masters"),
            Option("nid", "i", .integer, "node id to use, for tests"),
            Option("check-config", nil, .flag, inFile: .unknown, "say whether the options are right, and exit"),
        ]
    }

    private static let masters = Option(
        "masters",
        "m",
        .emptyText,
        default: "127.0.0.1:10000",
        "addresses of the masters, separated by blanks"
    )

    /// `neomaster` (`spec/tools.md §4.2`).
    static let master = Program(
        summary: "Master node of a NEO cluster.",
        options: node(
            masters: Option("masters", "m", .emptyText, "addresses of the other masters, separated by blanks"),
            bind: "127.0.0.1:10000"
        ) + [
            Option(
                "autostart",
                "A",
                .integer,
                "start a new cluster by itself once this number of storages is connected"
            ),
            Option("replicas", "r", .integer, default: "0", "number of replicas of a new cluster"),
            Option("partitions", "p", .integer, default: "100", "number of partitions of a new cluster"),
        ],
        defaultSection: "master"
    )

    /// `neostorage` (`spec/tools.md §4.3`).
    static let storage = Program(
        summary: "Storage node of a NEO cluster.",
        options: node(masters: masters, bind: "127.0.0.1") + [
            Option("adapter", "a", .choice(["SQLite"]), default: "SQLite", "kind of database"),
            Option("database", "d", isRequired: true, "where the database is: for SQLite, a path"),
            Option("disable-pack", nil, .flag, "never process pack orders"),
            Option("disable-drop-partitions", nil, .flag, "keep the data of discarded cells"),
            Option(
                "new-nid",
                nil,
                .flag,
                inFile: .refused,
                "get a node id for a copied database of another node, and exit"
            ),
            Option("replication-cells", nil, .integer, default: "4", "cells that are replicated at the same time"),
            Option(
                "replication-speed",
                nil,
                .integer,
                default: "4096",
                "KiB a second that replication makes at least while clients are served"
            ),
            Option(
                "replication-pause",
                nil,
                .integer,
                default: "20",
                "milliseconds for which clients have priority over replication, after each of their requests; 0: never"
            ),
            Option("dedup", nil, .flag, "objects with the same content share it; for a new database"),
            Option(
                "disk-reserve",
                nil,
                .integer,
                default: "256",
                "MiB that must be free on the disk of the database for writes to be accepted"
            ),
            Option("reset", nil, .flag, inFile: .refused, "erase the database, create an empty one, and exit"),
        ],
        defaultSection: "storage"
    )

    /// `neoadmin` (`spec/tools.md §4.4`).
    static let admin = Program(
        summary: "Administration node of a NEO cluster.",
        options: node(masters: masters, bind: "127.0.0.1:9999"),
        defaultSection: "admin"
    )

    /// `neoctl` (`spec/tools.md §4.5`).
    static let control = Program(
        summary: "Administrate a NEO cluster. Without a command, the list of commands is shown.",
        options: connection + [
            Option(
                "address",
                "a",
                default: "127.0.0.1:9999",
                "addresses of administration nodes, separated by blanks: the first one that can be reached is asked"
            ),
            Option("file", "f", .path, "configuration file of the administration node, for its address"),
            Option("section", "s", default: "admin", "section of the configuration file"),
            Option("timeout", "t", .integer, "seconds to wait for an answer; without it, as long as it takes"),
            Option(
                "severity",
                nil,
                .flag,
                "status of `print summary`: 0 all is well, 1 warning, 2 problem, 3 nobody could say"
            ),
            Option("yes", "y", .flag, "do not ask on a terminal before what cannot be undone"),
        ],
        words: .command("COMMAND [ARGUMENT...]")
    )

    /// `neosimple` (`spec/tools.md §16`).
    static let simple = Program(
        summary: """
            Run a whole NEO cluster on this machine, in the foreground: masters, storages and an administration node. \
            Run it again on the same directory to continue with the same data.
            """,
        options: [
            Option("master_count", "m", .integer, default: "1", "number of masters of a new cluster"),
            Option("storages", "n", .integer, default: "1", "number of storages of a new cluster"),
            Option("partitions", "p", .integer, default: "12", "number of partitions of a new cluster"),
            Option("replicas", "r", .integer, default: "0", "number of replicas of a new cluster"),
            Option("name", "c", default: "simple", "name of a new cluster"),
            Option("bind_ip", "b", default: "127.0.0.1", "address to listen at, of a new cluster"),
            Option("adapter", "a", .choice(["SQLite"]), default: "SQLite", "kind of database"),
            Option("clear_databases", nil, .flag, "erase the databases before"),
            Option("manual_start", nil, .flag, "let a new cluster wait for `neoctl start`"),
            Option("autostart", nil, .flag, "start a new cluster by itself: it is the default"),
        ],
        words: .list("[DIRECTORY]"),
        wordsHelp: """
            DIRECTORY holds the databases, the logs, and neo.conf, which tells how to run each node by itself. It is
            made if it does not exist. Without it, a new one is made in the temporary directory of the system.
            """
    )
}
