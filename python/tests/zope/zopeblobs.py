"""A page of every folder, for the tests: it keeps a file in a blob, and gives it back."""

from Products.Five import BrowserView
from ZODB.blob import Blob
from ZPublisher.Iterators import filestream_iterator


class File(BrowserView):

    def __call__(self):
        """Keeps the file of a form. Without one, streams what is kept."""
        upload = self.request.form.get('file')
        if upload is None:
            return filestream_iterator(self.context.kept.committed(), 'rb')
        if not hasattr(self.context.aq_base, 'kept'):
            self.context.kept = Blob()
        with self.context.kept.open('w') as file:
            while data := upload.read(1 << 16):
                file.write(data)
        return 'kept'
