import NEOEngine
import NEOProtocol

extension TimerID {
    private static let kindShift: UInt64 = 56

    /// The time given to a connection to identify.
    static func identification(_ connection: ConnectionID) -> TimerID {
        TimerID(1 << kindShift | UInt64(connection.number))
    }

    /// The time given to a storage to become ready.
    static func readiness(_ nid: NID) -> TimerID {
        TimerID(2 << kindShift | UInt64(UInt32(bitPattern: nid.rawValue)))
    }

    /// The next attempt to connect to other masters.
    static let election = TimerID(3 << kindShift)

    enum Meaning {
        case identification(ConnectionID)
        case readiness(NID)
        case election
    }

    var meaning: Meaning? {
        let number = UInt32(truncatingIfNeeded: rawValue)
        return switch rawValue >> Self.kindShift {
        case 1: .identification(ConnectionID(.incoming, number))
        case 2: .readiness(NID(Int32(bitPattern: number)))
        case 3: .election
        default: nil
        }
    }
}

extension MasterCore {
    mutating func timerFired(_ timer: TimerID, _ context: inout Context) {
        switch timer.meaning {
        case .identification(let id):
            guard unidentified.contains(id) else { return }
            disconnect(id, "no identification in time", &context)
        case .readiness(let nid):
            readinessTimedOut(nid, &context)
        case .election:
            electionTimerFired(&context)
        case nil:
            break
        }
    }
}
