//! Certificate and certificate request, kept opaque (RFC 2408 §3.9, §3.10).

use wire::DecodeError;
use wire::emit::Emit;
use wire::parse;

use super::PayloadBody;

/// A certificate in some encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Encoding: 1 PKCS #7, 4 X.509 for signatures, 7 a revocation list.
    pub encoding: u8,
    /// The certificate, unread.
    pub data: Vec<u8>,
}

/// Which certificates the sender would like: an encoding and an authority, which may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRequest {
    /// Encoding, as for [`Certificate`].
    pub encoding: u8,
    /// The name of the authority in DER, or nothing for "any".
    pub authority: Vec<u8>,
}

fn split(body: &[u8]) -> Result<(u8, Vec<u8>), DecodeError> {
    parse::finish(body, |input| {
        let (input, encoding) = parse::u8("certificate encoding", input)?;
        let (input, data) = parse::rest(input)?;
        Ok((input, (encoding, data.to_vec())))
    })
}

impl Certificate {
    /// Reads the body of a CERT payload.
    ///
    /// # Errors
    /// An empty body.
    pub fn parse(body: &[u8]) -> Result<Self, DecodeError> {
        let (encoding, data) = split(body)?;
        Ok(Self { encoding, data })
    }
}

impl PayloadBody for Certificate {
    fn emit(&self, out: &mut Vec<u8>) {
        out.put_u8(self.encoding);
        out.put(&self.data);
    }
}

impl CertificateRequest {
    /// Reads the body of a CERTREQ payload.
    ///
    /// # Errors
    /// An empty body.
    pub fn parse(body: &[u8]) -> Result<Self, DecodeError> {
        let (encoding, authority) = split(body)?;
        Ok(Self {
            encoding,
            authority,
        })
    }
}

impl PayloadBody for CertificateRequest {
    fn emit(&self, out: &mut Vec<u8>) {
        out.put_u8(self.encoding);
        out.put(&self.authority);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    wire::codec_pairs! { Certificate::parse, PayloadBody::to_body,
        x509: [4, 0x30, 0x03] => Certificate { encoding: 4, data: vec![0x30, 0x03] },
    }

    wire::codec_pairs! { CertificateRequest::parse, PayloadBody::to_body,
        any_authority: [4] => CertificateRequest { encoding: 4, authority: vec![] },
    }

    #[test]
    fn an_empty_body_is_an_error() {
        assert!(Certificate::parse(&[]).is_err());
        assert!(CertificateRequest::parse(&[]).is_err());
    }
}
