//! Which IP addresses are off limits: everything that is not plainly a public unicast address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

const fn v4(a: u8, b: u8, c: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), prefix)
}

const fn v6(a: u16, b: u16, c: u16, d: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0), prefix)
}

/// The IANA IPv4 special-purpose registry (RFC 6890), with multicast and the reserved upper end.
const BLOCKED_V4: [Ipv4Net; 15] = [
    v4(0, 0, 0, 8),       // this network, unspecified
    v4(10, 0, 0, 8),      // private
    v4(100, 64, 0, 10),   // carrier-grade NAT, also Alibaba's metadata service
    v4(127, 0, 0, 8),     // loopback
    v4(169, 254, 0, 16),  // link-local, cloud metadata
    v4(172, 16, 0, 12),   // private
    v4(192, 0, 0, 24),    // protocol assignments
    v4(192, 0, 2, 24),    // documentation
    v4(192, 88, 99, 24),  // 6to4 relays, retired
    v4(192, 168, 0, 16),  // private
    v4(198, 18, 0, 15),   // benchmarks
    v4(198, 51, 100, 24), // documentation
    v4(203, 0, 113, 24),  // documentation
    v4(224, 0, 0, 4),     // multicast
    v4(240, 0, 0, 4),     // reserved, broadcast
];

/// Where global unicast addresses are assigned from. The rest is loopback, link-local, site-local, unique-local,
/// multicast or reserved, apart from the forms that carry an IPv4 address.
const GLOBAL_UNICAST_V6: Ipv6Net = v6(0x2000, 0, 0, 0, 3);

/// The parts of global unicast space that lead nowhere public.
const BLOCKED_V6: [Ipv6Net; 4] = [
    v6(0x2001, 0x2, 0, 0, 48),   // benchmarks
    v6(0x2001, 0x10, 0, 0, 28),  // ORCHID, retired
    v6(0x2001, 0xdb8, 0, 0, 32), // documentation
    v6(0x3fff, 0, 0, 0, 20),     // documentation
];

const TEREDO: Ipv6Net = v6(0x2001, 0, 0, 0, 32);
const SIX_TO_FOUR: Ipv6Net = v6(0x2002, 0, 0, 0, 16);
/// RFC 6052. The local-use prefix `64:ff9b:1::/48` (RFC 8215) is not listed: it is never public.
const NAT64: Ipv6Net = v6(0x64, 0xff9b, 0, 0, 96);
/// Compatible addresses (RFC 4291), which take in `::` and `::1`.
const V4_COMPATIBLE: Ipv6Net = v6(0, 0, 0, 0, 96);
const V4_MAPPED: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96);
/// RFC 2765.
const V4_TRANSLATED: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0), 96);

/// Whether an address is loopback, private, link-local, multicast, reserved or otherwise not public, also where an
/// IPv6 address merely carries such an IPv4 address. `true` means blocked unless exempt.
#[must_use]
pub fn is_private_address(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_private_v4(ip),
        IpAddr::V6(ip) => is_private_v6(ip),
    }
}

fn is_private_v4(ip: Ipv4Addr) -> bool {
    BLOCKED_V4.iter().any(|range| range.contains(&ip))
}

fn is_private_v6(ip: Ipv6Addr) -> bool {
    let segments = ip.segments();
    let embedded = |at: usize| {
        Ipv4Addr::from_bits(u32::from(segments[at]) << 16 | u32::from(segments[at + 1]))
    };
    if [V4_COMPATIBLE, V4_MAPPED, V4_TRANSLATED, NAT64]
        .iter()
        .any(|range| range.contains(&ip))
    {
        return is_private_v4(embedded(6));
    }
    if !GLOBAL_UNICAST_V6.contains(&ip) || BLOCKED_V6.iter().any(|range| range.contains(&ip)) {
        return true;
    }
    if SIX_TO_FOUR.contains(&ip) {
        return is_private_v4(embedded(1));
    }
    if TEREDO.contains(&ip) {
        // The server's address, then the client's with every bit inverted (RFC 4380, section 4).
        return is_private_v4(embedded(2)) || is_private_v4(!embedded(6));
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(address: &str) -> bool {
        is_private_address(address.parse().unwrap())
    }

    #[test]
    fn blocked() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "0:0:0:0:0:0:0:1",
            "::127.0.0.1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:7f00:1",
            "0:0:0:0:0:ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:127.0.0.1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "2002:0a00:0001:1:2:3:4:5",
            "64:ff9b::127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:0:0:0:0:a00:1",
            "64:ff9b:1::1",
            "64:ff9b:1::808:808",
            "2001::80ff:fffe",
            "2001:0:0:0:0:0:80ff:fffe",
            "2001:0000:4136:e378:8000:63bf:f5ff:fffe",
            "2001:0:7f00:1::f7f7:f7f7",
            "100::1",
            "2001:2::1",
            "2001:10::1",
            "2001:db8::1",
            "3fff::1",
            "3fff:fff:ffff::1",
            "5f00::1",
            "4000::1",
            "fc00::1",
            "fd00:ec2::254",
            "fdff:ffff::1",
            "fe80::1",
            "fe90::1",
            "febf::1",
            "fec0::1",
            "feff::1",
            "ff00::1",
            "ff02::1",
        ] {
            assert!(judge(address), "{address} is private");
        }
    }

    #[test]
    fn public() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.1",
            "192.0.1.1",
            "192.0.3.1",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.1",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "::8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
            "2001:0:808:808::f7f7:f7f7",
            "2001:3::1",
            "2001:4860:4860::8888",
            "2606:4700:4700::1111",
            "2a00:1450:4001::1",
        ] {
            assert!(!judge(address), "{address} is public");
        }
    }
}
