import NEOConfiguration
import NEOTransport

extension ConfigurationFile {
    /// - Throws: ``ConfigurationError`` that names the file.
    init(reading path: String) throws(ConfigurationError) {
        let text: String
        do throws(TextFile.Failure) {
            text = try TextFile.read(path)
        } catch {
            throw .invalid("\(path): cannot be read: \(error)")
        }
        try self.init(text, path: path)
    }
}
