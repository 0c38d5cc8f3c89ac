import MessagePack
import OrderedCollections

/// Named values of open types: `{text: any}`. Unknown names are kept and ignored.
public struct Properties: WireValue {
    public var values: OrderedDictionary<String, MessagePackValue>

    public init(_ values: OrderedDictionary<String, MessagePackValue> = [:]) {
        self.values = values
    }

    public init(from reader: inout MessagePackReader) throws(MessagePackError) {
        let count = try reader.readMapHeader()
        values = [:]
        for _ in 0..<count {
            let key = try reader.readText()
            guard values.updateValue(try reader.readValue(), forKey: key) == nil else {
                throw MessagePackError(.invalid, "duplicate key \(key)")
            }
        }
    }

    public func encode(into writer: inout MessagePackWriter) {
        writer.writeMapHeader(values.count)
        for (key, value) in values {
            writer.writeText(key)
            writer.write(value)
        }
    }

    public subscript(name: String) -> MessagePackValue? {
        get { values[name] }
        set { values[name] = newValue }
    }
}
