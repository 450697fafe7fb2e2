"""Webhooks in, at /hooks/<provider>: what mail providers report about bounces, complaints and deliveries.

Each provider is a module that checks the request's signature and turns its events into calls of `digest.delivery` and
`digest.audience`. A hook answers at once; whatever takes longer is a row that a task picks up.
"""
