/// A dictionary whose keys are in order. Insertions at the end are cheap, as those of a history are.
struct SortedMap<Key: Comparable & Sendable, Value: Sendable>: Sendable {
    private(set) var keys: [Key] = []
    private(set) var values: [Value] = []

    var isEmpty: Bool { keys.isEmpty }
    var count: Int { keys.count }

    /// Index of the first key that is not smaller.
    func lowerBound(_ key: Key) -> Int {
        if let last = keys.last, last < key { return keys.count }
        var low = 0
        var high = keys.count
        while low < high {
            let middle = (low + high) / 2
            if keys[middle] < key { low = middle + 1 } else { high = middle }
        }
        return low
    }

    subscript(key: Key) -> Value? {
        get {
            let index = lowerBound(key)
            return index < keys.count && keys[index] == key ? values[index] : nil
        }
        set {
            let index = lowerBound(key)
            let exists = index < keys.count && keys[index] == key
            switch (newValue, exists) {
            case (let value?, true):
                values[index] = value
            case (let value?, false):
                keys.insert(key, at: index)
                values.insert(value, at: index)
            case (nil, true):
                keys.remove(at: index)
                values.remove(at: index)
            case (nil, false):
                break
            }
        }
    }

    subscript(key: Key, default value: Value) -> Value {
        get { self[key] ?? value }
        // In place: a copy of the value would copy all that is below it.
        _modify {
            let index = lowerBound(key)
            if index == keys.count || keys[index] != key {
                keys.insert(key, at: index)
                values.insert(value, at: index)
            }
            yield &values[index]
        }
    }

    /// The entry with the greatest key < `key`.
    func before(_ key: Key) -> (key: Key, value: Value)? {
        let index = lowerBound(key)
        return index > 0 ? (keys[index - 1], values[index - 1]) : nil
    }

    var last: (key: Key, value: Value)? {
        guard let key = keys.last, let value = values.last else { return nil }
        return (key, value)
    }
}
