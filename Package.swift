// swift-tools-version: 6.2
import PackageDescription

/// Settings shared by all the targets of the product.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// Modules are listed from the bottom of the house to its top: a module imports only what stands above it here.
let package = Package(
    name: "neo",
    products: [
        .executable(name: "neo", targets: ["neo"]),
        .library(name: "NEOClient", targets: ["NEOClient"]),
        .library(name: "NEOClientC", type: .dynamic, targets: ["NEOClientC"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-collections.git", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-crypto.git", from: "4.5.2"),
        .package(url: "https://github.com/groue/GRDB.swift.git", from: "7.10.0"),
    ],
    targets: [
        .systemLibrary(
            name: "CZlib",
            pkgConfig: "zlib",
            providers: [.apt(["zlib1g-dev"])]
        ),
        .systemLibrary(name: "CNEOClient"),
        .systemLibrary(name: "CReadiness"),
        .target(
            name: "MessagePack",
            dependencies: [.product(name: "NIOCore", package: "swift-nio")],
            swiftSettings: settings
        ),
        .target(
            name: "NEOProtocol",
            dependencies: [
                "MessagePack",
                "CZlib",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "OrderedCollections", package: "swift-collections"),
                .product(name: "Crypto", package: "swift-crypto"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "NEOTopology",
            dependencies: ["NEOProtocol"],
            swiftSettings: settings
        ),
        .target(
            name: "NEOEngine",
            dependencies: ["NEOProtocol"],
            swiftSettings: settings
        ),
        .target(
            name: "NEODatabase",
            dependencies: [
                "NEOProtocol",
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "GRDBSQLite", package: "GRDB.swift"),
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "NEOMaster",
            dependencies: [
                "MessagePack", "NEOProtocol", "NEOTopology", "NEOEngine",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "OrderedCollections", package: "swift-collections"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "NEOStorage",
            dependencies: [
                "MessagePack", "NEOProtocol", "NEOTopology", "NEOEngine", "NEODatabase",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "OrderedCollections", package: "swift-collections"),
                .product(name: "DequeModule", package: "swift-collections"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "NEOAdmin",
            dependencies: [
                "MessagePack", "NEOProtocol", "NEOTopology", "NEOEngine",
                .product(name: "OrderedCollections", package: "swift-collections"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "NEOControl",
            dependencies: [
                "NEOProtocol",
                .product(name: "OrderedCollections", package: "swift-collections"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "NEOConfiguration",
            swiftSettings: settings
        ),
        .target(
            name: "NEOTransport",
            dependencies: [
                "NEOProtocol",
                "NEOEngine",
                "CReadiness",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "DequeModule", package: "swift-collections"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "NEOClient",
            dependencies: [
                "MessagePack", "NEOProtocol", "NEOTopology", "NEOEngine", "NEOTransport",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "OrderedCollections", package: "swift-collections"),
                .product(name: "DequeModule", package: "swift-collections"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "NEOClientC",
            dependencies: [
                "NEOClient", "NEOTransport", "CNEOClient",
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "NEOSimulator",
            dependencies: [
                "NEOEngine", "NEOMaster", "NEOStorage", "NEODatabase", "NEOClient", "NEOAdmin",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "HeapModule", package: "swift-collections"),
            ],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "neo",
            dependencies: [
                "NEOMaster", "NEOStorage", "NEOAdmin", "NEOControl", "NEODatabase", "NEOConfiguration", "NEOTransport",
                "NEOSimulator",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "MicroBenchmarks",
            dependencies: ["NEOProtocol", .product(name: "NIOCore", package: "swift-nio")],
            path: "Benchmarks/micro",
            swiftSettings: settings
        ),
        .target(
            name: "TestVectors",
            dependencies: ["MessagePack", .product(name: "NIOCore", package: "swift-nio")],
            path: "Tests/TestVectors",
            swiftSettings: settings
        ),
        .testTarget(
            name: "NEOClientTests",
            dependencies: [
                "NEOClient", "NEOProtocol", "NEOEngine", "NEOTopology", "NEOTransport",
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "MessagePackTests",
            dependencies: ["MessagePack", "TestVectors", .product(name: "NIOCore", package: "swift-nio")],
            swiftSettings: settings
        ),
        .testTarget(
            name: "NEOTransportTests",
            dependencies: [
                "NEOTransport",
                "NEOMaster",
                "NEOEngine",
                "NEOProtocol",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "NEOProtocolTests",
            dependencies: [
                "NEOProtocol",
                "MessagePack",
                "TestVectors",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "OrderedCollections", package: "swift-collections"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "NEODatabaseTests",
            dependencies: [
                "NEODatabase", "NEOProtocol", "TestVectors", .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "NEOStorageTests",
            dependencies: [
                "NEOStorage", "NEODatabase", "NEOEngine", "NEOProtocol", "MessagePack", "TestVectors",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "OrderedCollections", package: "swift-collections"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "NEOTopologyTests",
            dependencies: ["NEOEngine", "NEOProtocol", "NEOTopology"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "NEOControlTests",
            dependencies: [
                "NEOControl", "NEOProtocol",
                .product(name: "OrderedCollections", package: "swift-collections"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "NEOConfigurationTests",
            dependencies: ["NEOConfiguration"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "NEOAdminTests",
            dependencies: ["NEOAdmin", "NEOEngine", "NEOProtocol", "MessagePack"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "NEOMasterTests",
            dependencies: [
                "NEOMaster", "MessagePack", "NEOProtocol", "NEOTopology", "NEOEngine", "TestVectors",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "OrderedCollections", package: "swift-collections"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "HostileInputTests",
            dependencies: [
                "NEOMaster", "NEOStorage", "NEOAdmin", "NEOClient", "NEODatabase", "NEOEngine", "NEOProtocol",
                "NEOTopology", "MessagePack", "TestVectors",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "OrderedCollections", package: "swift-collections"),
                .product(name: "GRDB", package: "GRDB.swift"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "IntegrationTests",
            dependencies: ["neo", "NEOClient", "NEOProtocol", .product(name: "NIOCore", package: "swift-nio")],
            swiftSettings: settings
        ),
        .testTarget(
            name: "NEOSimulatorTests",
            dependencies: ["NEOClient", "NEOProtocol", "NEOSimulator"],
            swiftSettings: settings
        ),
    ]
)
